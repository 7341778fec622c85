"""mortarboardctl and a PostgreSQL that takes TLS only, by an address that does not speak of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.ctl import dump
from deploy.stack.databases import ROLES, Databases
from deploy.stack.servers import Servers


async def test_roles_and_migrations_use_tls_and_a_program_without_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = Servers.on_free_ports(tmp_path / "own", secure=True)
    await servers.start_postgres()
    try:
        databases = Databases(servers.admin_url.partition("?")[0], dict.fromkeys(ROLES, "a/b+c=="))
        await databases.apply("loop")
        await databases.migrate("loop", tmp_path)
        assert "dialog_svc.published" in await dump.tables_of(databases, "loop")
        with monkeypatch.context() as nowhere:
            nowhere.setenv("PATH", "/nowhere")
            dump.program.cache_clear()
            async with dump.snapshot(databases, "loop") as moment:
                with pytest.raises(dump.DumpError, match="came without TLS"):
                    await dump.dump_schema(databases, "loop", "dialog_svc", moment, tmp_path / "dump")
    finally:
        dump.program.cache_clear()
        await servers.postgres.stop()
