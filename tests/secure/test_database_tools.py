"""mortarboardctl and a PostgreSQL that takes TLS only."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from contracts.dialogs import DialogErased
from deploy.ctl import dump
from deploy.stack.certificates import Authority
from deploy.stack.databases import ROLES, Databases
from deploy.stack.servers import Servers
from deploy.stack.services import Surroundings
from tests.harness import PORTS, now
from tests.integration.kit import kit
from tests.operators import operators_tool


async def test_roles_and_migrations_use_tls_and_a_program_without_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = Servers.on_free_ports(tmp_path / "own", secure=True, ports=PORTS)
    await servers.start_postgres()
    try:
        databases = Databases(servers.admin_url.partition("?")[0], dict.fromkeys(ROLES, "a/b+c=="))
        await databases.apply("loop")
        await databases.migrate("loop", tmp_path)
        assert "dialog_svc.published" in await dump.tables_of(databases, "loop")
        with monkeypatch.context() as nowhere:
            nowhere.setenv("PATH", "/nowhere")
            nowhere.setattr(dump, "libpq", str)
            dump.program.cache_clear()
            async with dump.snapshot(databases, "loop") as moment:
                with pytest.raises(dump.DumpError, match="came without TLS"):
                    await dump.dump_schema(databases, "loop", "dialog_svc", moment, tmp_path / "dump")
    finally:
        dump.program.cache_clear()
        await servers.postgres.stop()


async def test_a_backup_is_made_and_restored_over_tls_with_the_server_checked(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    assert "sslmode=verify-full" in surroundings.databases.admin_url
    ctl = operators_tool(surroundings, tmp_path, PATH="/nowhere")  # the programs that the image has
    erased = DialogErased(dialog_id="d", agent_id="a", requested_at=now(), reason="asked")
    async with kit(surroundings) as parts, parts.database.transaction() as transaction:
        transaction.publish(erased, tenant="acme")
    (surroundings.objects / "one").write_bytes(b"an object")
    made = ctl("backup", "--to", str(tmp_path / "backups"))
    assert made.returncode == 0, made.stderr
    (folder,) = (tmp_path / "backups").iterdir()
    await surroundings.databases.drop(surroundings.database)
    await surroundings.databases.create(surroundings.database)
    done = ctl("restore", "--from", str(folder))
    assert done.returncode == 0, done.stderr
    async with surroundings.databases.connection(surroundings.database) as admin:
        assert await admin.fetchval("SELECT count(*) FROM dialog_svc.outbox") == 1


async def test_the_programs_refuse_a_server_that_another_authority_signed(
    surroundings: Surroundings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    url = surroundings.databases.url(surroundings.database, "dialog_svc")
    assert surroundings.secure
    another = url.replace(
        quote(str(surroundings.secure.ca), safe=""), str(Authority(tmp_path / "other").certificate)
    )
    assert another != url
    monkeypatch.setenv("PATH", "/nowhere")
    dump.program.cache_clear()
    try:
        said = await dump._run("psql", url, "--no-psqlrc", "--command=SELECT ssl FROM pg_stat_ssl", "--csv")
        assert "t" in said.split()
        with pytest.raises(dump.DumpError, match="SSL error"):
            await dump._run("psql", another, "--no-psqlrc", "--command=SELECT 1")
    finally:
        dump.program.cache_clear()
