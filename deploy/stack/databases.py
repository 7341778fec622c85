"""Roles, schemas and migrations: each service reaches its own schema only, but for `vault`."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import asyncpg

from deploy.stack.processes import run
from deploy.stack.scram import verifier
from deploy.stack.settings import ROOT

SCHEMAS = ("dialog_svc", "dataset_svc", "training_svc", "agent_svc", "console_svc")
ROLES = tuple(f"{schema}{suffix}" for schema in SCHEMAS for suffix in ("_owner", "", "_http"))
VAULT_OWNER, VAULT_WRITERS, VAULT_READERS = (
    "agent_svc_owner", ("agent_svc", "agent_svc_http"), ("training_svc",),
)  # fmt: skip
EXTENSIONS = ("pg_trgm", "unaccent", "btree_gin")
SESSION = {"lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s", "transaction_timeout": "30s"}
CHASSIS_MIGRATIONS = ROOT / "services" / "chassis" / "chassis" / "migrations"


def migration_folders(schema: str, *, contract: bool = False) -> list[Path]:
    """Where a service's migrations are: the chassis' first, then its own; those that expand, or contract."""
    folders = [CHASSIS_MIGRATIONS, ROOT / "services" / schema.replace("_", "-") / "migrations"]
    folders = [folder / "contract" for folder in folders] if contract else folders
    return [folder for folder in folders if any(folder.glob("*.sql"))]


@dataclass(frozen=True, slots=True)
class Databases:
    """A PostgreSQL server as its administrator sees it."""

    admin_url: str = field(repr=False)
    passwords: Mapping[str, str] = field(repr=False)
    """Password of each role."""

    def url(self, database: str, role: str, **settings: str) -> str:
        """The address of a database for a role; settings are added as parameters."""
        parts = urlsplit(self.admin_url)
        host = parts.netloc.rpartition("@")[2]
        query = "&".join(filter(None, [parts.query, urlencode(settings)]))
        password = quote(self.passwords[role], safe="")  # what base64 makes has slashes
        return urlunsplit((parts.scheme, f"{role}:{password}@{host}", f"/{database}", query, ""))

    @asynccontextmanager
    async def connection(self, database: str | None = None) -> AsyncIterator[asyncpg.Connection]:
        """An administrator's session, of the administrative database when none is named."""
        url = self.admin_url
        if database:
            url = urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()

    async def create_roles(self) -> None:
        """Make the roles, once a server; give them the passwords and session settings of today."""
        async with self.connection() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('mortarboard roles'))")
            there = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
            for role in ROLES:
                if role not in there:
                    await connection.execute(f"CREATE ROLE {role} LOGIN NOINHERIT")
                statement = "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)"
                hidden = verifier(self.passwords[role])
                await connection.execute(await connection.fetchval(statement, role, hidden))
                await connection.execute(role_settings(role))
            if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
                await connection.execute(owners_of_schemas())

    async def apply(self, name: str) -> None:
        """Make roles, database, schemas and grants what they should be, whatever is there already.

        The administrator needs CREATEROLE, and CREATEDB when the database is not there; nothing more.
        """
        await self.create_roles()
        if not await self.exists(name):
            async with self.connection() as connection:
                await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        async with self.connection() as connection:
            await connection.execute(database_grants(name))
        async with self.connection(name) as connection, connection.transaction():
            await connection.execute(schema_grants())

    async def exists(self, name: str) -> bool:
        """Whether there is a database of this name."""
        async with self.connection() as connection:
            return bool(await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name))

    async def create(self, name: str, template: str | None = None) -> None:
        """Make a database: schemas and grants without tables, or a copy of a template that has all."""
        async with self.connection() as connection:
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template or "template0"}"')
            await connection.execute(database_grants(name))
        if not template:
            async with self.connection(name) as connection, connection.transaction():
                await connection.execute(schema_grants())

    async def drop(self, name: str) -> None:
        """Drop a database with the sessions that still use it."""
        async with self.connection() as connection:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    async def migrate(self, database: str, logs: Path, *, contract: bool = False) -> None:
        """Bring every service's schema up to date, each as its owner.

        With `contract` also what older versions needed goes: their own files, numbered and remembered apart.
        """
        await asyncio.gather(*(self._migrate(database, schema, logs) for schema in SCHEMAS))
        if contract:
            await asyncio.gather(
                *(self._migrate(database, schema, logs, contract=True) for schema in SCHEMAS)
            )

    async def _migrate(self, database: str, schema: str, logs: Path, *, contract: bool = False) -> None:
        folders = migration_folders(schema, contract=contract)
        if not folders:
            return
        url = self.url(
            database,
            f"{schema}_owner",
            **({} if "sslmode=" in self.admin_url else {"sslmode": "disable"}),
            search_path=f"{schema},public",
            lock_timeout="5000",
        )
        options = [
            "--no-dump-schema",
            "--migration-lock",
            "--migrations-table",
            f"{schema}.{'schema_contractions' if contract else 'schema_migrations'}",
        ]
        options += [part for folder in folders for part in ("--migrations-dir", str(folder))]
        await run(
            # not --strict: a new file of the chassis is numbered below services' files that ran long ago
            [dbmate(), *options, "migrate"],
            name=f"migrate-{schema}",
            log=logs / f"migrate-{schema}.log",
            env={**os.environ, "DATABASE_URL": url},
            cwd=ROOT,
        )


def dbmate() -> str:
    """The path of dbmate, from this environment's programs."""
    beside = Path(sys.executable).with_name("dbmate")
    return str(beside) if beside.exists() else shutil.which("dbmate") or "dbmate"


def role_settings(role: str) -> str:
    """SQL that gives a role its session settings; owners migrate and may take their time."""
    schema = role.removesuffix("_owner").removesuffix("_http")
    settings = {"search_path": f"{schema}, public"}
    if not role.endswith("_owner"):
        settings |= {name: f"'{value}'" for name, value in SESSION.items()}
    return ";".join(f"ALTER ROLE {role} SET {name} = {value}" for name, value in settings.items())


def database_grants(name: str) -> str:
    """SQL for the grants that a copy of a template does not inherit."""
    roles = ", ".join(ROLES)
    return f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC; GRANT CONNECT ON DATABASE "{name}" TO {roles}'


def owners_of_schemas() -> str:
    """SQL with which an administrator who is no superuser may make schemas for their owners."""
    owners = ", ".join(f"{schema}_owner" for schema in SCHEMAS)
    return f"GRANT {owners} TO CURRENT_USER WITH SET TRUE, INHERIT TRUE"


def schema_grants() -> str:
    """SQL for schemas and grants; migrations grant the tables and functions that they make."""
    lines = [f"CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA public" for extension in EXTENSIONS]
    for schema in SCHEMAS:
        lines += [
            f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {schema}_owner",
            f"GRANT USAGE ON SCHEMA {schema} TO {schema}, {schema}_http",
            f"ALTER DEFAULT PRIVILEGES FOR ROLE {schema}_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
        ]
    writers, readers = ", ".join(VAULT_WRITERS), ", ".join(VAULT_READERS)
    defaults = f"ALTER DEFAULT PRIVILEGES FOR ROLE {VAULT_OWNER} IN SCHEMA vault"
    lines += [
        f"CREATE SCHEMA IF NOT EXISTS vault AUTHORIZATION {VAULT_OWNER}",
        f"GRANT USAGE ON SCHEMA vault TO {writers}, {readers}",
        f"{defaults} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {writers}",
        f"{defaults} GRANT SELECT ON TABLES TO {readers}",
    ]
    return ";".join(lines)
