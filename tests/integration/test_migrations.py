"""Migrations on a real server: each goes back, none waits long for a lock, contraction comes last."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deploy.ctl import dump
from deploy.stack import databases as stack_databases
from deploy.stack import leftovers
from deploy.stack.databases import SCHEMAS, Databases, dbmate, migration_folders
from deploy.stack.prepared import Prepared
from deploy.stack.processes import ProcessError


@pytest.fixture
async def empty(servers: Prepared) -> AsyncIterator[str]:
    """A database with roles and schemas, without tables."""
    name = leftovers.database(servers.run)
    await servers.databases.create(name)
    yield name
    await servers.databases.drop(name)


async def rolled_back(databases: Databases, database: str, schema: str) -> None:
    """Take the newest migration back, as dbmate does."""
    url = databases.url(database, f"{schema}_owner", sslmode="disable", search_path=f"{schema},public")
    options = ["--no-dump-schema", "--migrations-table", f"{schema}.schema_migrations"]
    options += [part for folder in migration_folders(schema) for part in ("--migrations-dir", str(folder))]
    process = await asyncio.create_subprocess_exec(
        dbmate(), *options, "rollback", env={**os.environ, "DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def shape(databases: Databases, database: str, schema: str, folder: Path) -> list[str]:
    """What the schema is made of, as SQL; without the partitions of days, which follow the calendar."""
    path = folder / f"{uuid.uuid4().hex}.sql"
    await dump._run(
        "pg_dump", databases.url(database, dump.OWNERS[schema]), "--schema-only", f"--schema={schema}",
        "--exclude-table=*.published_2*", f"--file={path}",
    )  # fmt: skip
    lines = path.read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))]


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_every_migration_can_be_taken_back_and_made_again(
    servers: Prepared, empty: str, schema: str, tmp_path: Path
) -> None:
    databases = servers.databases
    bare = await shape(databases, empty, schema, tmp_path)
    await databases._migrate(empty, schema, tmp_path)
    whole = await shape(databases, empty, schema, tmp_path)
    assert len(whole) > len(bare) + 100
    count = sum(len(list(folder.glob("*.sql"))) for folder in migration_folders(schema))
    for _ in range(count):
        await rolled_back(databases, empty, schema)
    async with databases.connection(empty) as admin:
        left = await admin.fetch(
            "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1 "
            "AND relname NOT LIKE 'schema_migrations%' "
            "UNION ALL SELECT proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace "
            "WHERE nspname = $1",
            schema,
        )
    assert [row["relname"] for row in left] == []
    await databases._migrate(empty, schema, tmp_path)
    assert await shape(databases, empty, schema, tmp_path) == whole


def only(monkeypatch: pytest.MonkeyPatch, root: Path, **files: str) -> None:
    """Let training-svc have these migrations and nobody else any; `contract_…` are contractions."""
    for name, text in files.items():
        folder = root / ("contract" if name.startswith("contract_") else "expand")
        folder.mkdir(exist_ok=True)
        (folder / f"{name.removeprefix('contract_').removeprefix('m')}.sql").write_text(text)

    def folders(schema: str, *, contract: bool = False) -> list[Path]:
        place = root / ("contract" if contract else "expand")
        return [place] if schema == "training_svc" and place.exists() else []

    monkeypatch.setattr(stack_databases, "migration_folders", folders)


async def columns(databases: Databases, database: str) -> set[str]:
    async with databases.connection(database) as admin:
        rows: list[Any] = await admin.fetch(
            "SELECT column_name AS name FROM information_schema.columns WHERE table_name = 'things'"
        )
    return {row["name"] for row in rows}


async def test_a_contraction_runs_only_when_it_is_asked_for(
    servers: Prepared, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(
        monkeypatch, tmp_path,
        m1001_things="-- migrate:up\nCREATE TABLE things (old int, new int);\n"
        "-- migrate:down\nDROP TABLE things;\n",
        contract_1001_old="-- migrate:up\n-- contract: after 0.1.0\nALTER TABLE things DROP COLUMN old;\n"
        "-- migrate:down\nALTER TABLE things ADD old int;\n",
    )  # fmt: skip
    await servers.databases.migrate(empty, tmp_path)
    assert await columns(servers.databases, empty) == {"old", "new"}
    await servers.databases.migrate(empty, tmp_path, contract=True)
    assert await columns(servers.databases, empty) == {"new"}
    only(
        monkeypatch, tmp_path,
        m1002_more="-- migrate:up\nALTER TABLE things ADD more int;\n-- migrate:down\nSELECT 1;\n",
    )  # fmt: skip
    await servers.databases.migrate(empty, tmp_path, contract=True)
    assert await columns(servers.databases, empty) == {"new", "more"}, "expanding goes on after it"


async def test_a_migration_gives_up_where_a_lock_is_held(
    servers: Prepared, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = "-- migrate:up\nCREATE TABLE things (a int);\n-- migrate:down\nDROP TABLE things;\n"
    only(monkeypatch, tmp_path, m1001_things=first)
    await servers.databases.migrate(empty, tmp_path)
    only(
        monkeypatch,
        tmp_path,
        m1002_more="-- migrate:up\nALTER TABLE things ADD b int;\n-- migrate:down\nSELECT 1;\n",
    )
    reader = await asyncpg.connect(servers.databases.url(empty, "training_svc_owner"))
    try:
        async with reader.transaction():
            await reader.execute("SELECT FROM training_svc.things")
            with pytest.raises(ProcessError):
                await servers.databases.migrate(empty, tmp_path)
        assert "lock timeout" in (tmp_path / "migrate-training_svc.log").read_text()
        await servers.databases.migrate(empty, tmp_path)
    finally:
        await reader.close()
    assert await columns(servers.databases, empty) == {"a", "b"}
