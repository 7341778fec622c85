"""mortarboardctl on a PostgreSQL whose administrator is no superuser, as managed ones have it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.stack.databases import ROLES, SCHEMAS, Databases
from deploy.stack.servers import Servers
from tests.harness import PORTS, ROOT

VAULT = {
    "agent_svc_owner": "arwd", "agent_svc": "arwd", "agent_svc_http": "ar", "training_svc": "r",
}  # fmt: skip
"""Who may do what in the one schema that is not a service's own: add, read, write, delete."""


def ctl(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "deploy.ctl", *arguments],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def reach(connection: asyncpg.Connection, role: str) -> dict[str, str]:
    """What a role may do somewhere in each schema in which it may do anything."""
    rows = await connection.fetch(
        """
        SELECT nspname, string_agg(DISTINCT letter, '' ORDER BY letter) AS may
        FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace,
            (VALUES ('a', 'INSERT'), ('r', 'SELECT'), ('w', 'UPDATE'), ('d', 'DELETE')) p (letter, privilege)
        WHERE relkind IN ('r', 'p') AND nspname = ANY($2) AND has_schema_privilege($1, n.oid, 'USAGE')
            AND has_table_privilege($1, c.oid, privilege)
        GROUP BY nspname
        """,
        role, [*SCHEMAS, "vault"],
    )  # fmt: skip
    return {row["nspname"]: row["may"] for row in rows}


async def test_roles_and_migrations_need_no_superuser_and_can_be_repeated(tmp_path: Path) -> None:
    servers = Servers.on_free_ports(tmp_path / "own", ports=PORTS)
    await servers.start_postgres()
    try:
        await _repeated(servers.admin_url, tmp_path)
    finally:
        await servers.postgres.stop()


async def _repeated(admin_url: str, tmp_path: Path) -> None:
    where = urlsplit(admin_url)
    superuser = await asyncpg.connect(admin_url)
    await superuser.execute("CREATE ROLE managed LOGIN CREATEROLE CREATEDB PASSWORD 'managed'")
    await superuser.close()
    url = urlunsplit(where._replace(netloc=f"managed:managed@{where.hostname}:{where.port}"))
    (tmp_path / "admin").write_text(url)
    passwords = tmp_path / "roles"
    passwords.mkdir()
    environment = {
        "MORTARBOARD_POSTGRES_ADMIN_URL_FILE": str(tmp_path / "admin"),
        "MORTARBOARD_ROLE_PASSWORDS": str(passwords),
        "MORTARBOARD_DATABASE_NAME": "loop",
    }
    for turn in ("first", "second"):
        for role in ROLES:
            (passwords / role).write_text(f"{turn}-{role}\n")
        assert "with the passwords of today" in ctl(environment, "roles", "apply")
        assert "up to date" in ctl(environment, "migrate")
    databases = Databases(url, {role: f"second-{role}" for role in ROLES})
    for role in ROLES:
        await (await asyncpg.connect(databases.url("loop", role))).close()
    async with databases.connection("loop") as connection:
        for role in ROLES:
            schema = role.removesuffix("_owner").removesuffix("_http")
            may = await reach(connection, role)
            own = may.pop(schema)
            assert set("ar") <= set(own), (role, own)
            vault = {"vault": "".join(sorted(VAULT[role]))} if role in VAULT else {}
            assert may == vault, role
        powerful = await connection.fetch(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY($1) AND (rolsuper OR rolcreatedb "
            "OR rolcreaterole OR rolbypassrls OR rolreplication OR rolinherit)",
            list(ROLES),
        )
        assert powerful == []
        members = await connection.fetch(
            "SELECT 1 FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE rolname = ANY($1)",
            list(ROLES),
        )
        assert members == [], "no role of ours is a member of another"
