"""Freezing against a bare COPY of the same rows, and its memory: `python -m tests.bench.freeze`.

Two datasets of 10,000 and 100,000 examples in a real PostgreSQL, each frozen in a process of its own, three
times in turn with `COPY (the version's lines, in its order) TO` a file. The last line is {ratio_to_copy,
peak_mb_10k, peak_mb_100k, ratio}: lines a second of freezing over those of COPY, for 100,000, by the medians
(freezing hashes, counts and adds prompt and functions to each line); growth is the peak less what the process
held before.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from statistics import median
from uuid import UUID

from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.objects import ObjectStore
from dataset_svc.outbound.agent_store import ensure_dataset, put_agent, put_version
from dataset_svc.usecases.freeze_version import begin_version
from dataset_svc.usecases.write_version import Freezer
from deploy.stack.prepared import TEMPLATE, Prepared, prepare
from deploy.stack.servers import Servers
from deploy.stack.settings import ROOT, from_environment

SIZES = {"10k": 10_000, "100k": 100_000}
WORDS = 40
"""Words in each of an example's two answers: lines of about 1 KB, as short dialogs have."""
FILL = """
    WITH made AS (
        INSERT INTO examples (tenant_id, id, dataset_id, state, original, draft, saved_revision, saved_draft,
            teaches, answers, changed_by)
        SELECT $1, uuidv7(), $2, 'saved', '[]', '[]', 1, 1, 2, 2, 'bench' FROM generate_series(1, $3::int)
        RETURNING id
    )
    INSERT INTO example_revisions (tenant_id, example_id, revision, messages, line, tokens, teaches, answers,
        saved_by)
    SELECT $1, id, 1, '[]', format('{"role":"user","content":"%s"},'
        '{"role":"assistant","content":"%s","weight":1},'
        '{"role":"user","content":"ok"},{"role":"assistant","content":"%s","weight":1}', id, words, words),
        200, 2, 2, 'bench'
    FROM made, LATERAL (SELECT string_agg(md5(id::text || n), ' ') AS words
        FROM generate_series(1, $4::int) n) w
"""
CHECKED = """
    INSERT INTO example_checks (tenant_id, dataset_id, example_id, state, revision, dialog_key, split_hash,
        content_sha256, tokens)
    SELECT e.tenant_id, e.dataset_id, e.id, 'saved', 1, e.id::text,
        substring(sha256(e.id::text::bytea) FOR 8), sha256(r.line::bytea), r.tokens
    FROM examples e JOIN example_revisions r ON r.tenant_id = e.tenant_id AND r.example_id = e.id
"""
COPY = """
    SELECT r.line FROM version_examples v JOIN example_revisions r
      ON r.tenant_id = v.tenant_id AND r.example_id = v.example_id AND r.revision = v.revision
    WHERE v.version = $1 ORDER BY v.part, v.agent_version, v.position
"""
ROUNDS = 3


def main() -> None:
    """Fill, freeze, report; with an argument: freeze what waits in the database of the environment."""
    if sys.argv[1:] == ["freeze"]:
        print(json.dumps(asyncio.run(_freeze())))
        return
    result = asyncio.run(_measure())
    print(json.dumps(result))


async def _measure() -> dict[str, float]:
    folder = from_environment().run / "bench" / f"freeze-{os.getpid()}"
    result: dict[str, float] = {}
    try:
        async with _postgres(folder) as prepared:
            for name, size in SIZES.items():
                found = await _one(prepared, folder / f"objects-{name}", size)
                print(
                    f"{size} examples: {found['bytes'] / 1e6:.0f} MB in {found['seconds']:.2f} s, "
                    f"COPY {found['copy_seconds']:.2f} s, pinned in {found['pin_seconds']:.2f} s"
                )
                result["ratio_to_copy"] = round(found["copy_seconds"] / found["seconds"], 3)
                result[f"peak_mb_{name}"] = found["peak_mb"]
                result[f"growth_mb_{name}"] = found["growth_mb"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result | {"ratio": round(result["peak_mb_100k"] / result["peak_mb_10k"], 3)}


@contextlib.asynccontextmanager
async def _postgres(folder: Path) -> AsyncIterator[Prepared]:
    servers = Servers.on_free_ports(folder)
    await servers.start_postgres()
    try:
        yield await prepare("", servers.admin_url, "", folder)
    finally:
        await servers.postgres.stop()


async def _one(prepared: Prepared, objects: Path, size: int) -> dict[str, float]:
    """Fill a fresh database with one pinned version and freeze it in a fresh process."""
    name = f"freeze_{size}"
    await prepared.databases.create(name, TEMPLATE)
    url = prepared.databases.url(name, "dataset_svc")
    database = Database(url, url, "dataset_svc", source="/bench")
    await database.open(http=False)
    await _fill(database, size)
    await database.close()
    answer = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-P", "-m", "tests.bench.freeze", "freeze"],
        env={**os.environ, "BENCH_URL": url, "BENCH_OBJECTS": objects.as_uri()},
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    await prepared.databases.drop(name)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    if found["examples"] != size:
        raise RuntimeError(f"{found['examples']} of {size} examples were frozen")
    return found


async def _fill(database: Database, size: int) -> None:
    agent = {"agent_id": "bench", "version": 1, "name": "bench", "prompt": "Be brief.", "tools": [],
             "parallel_tool_calls": None, "fingerprint": "0" * 64, "base_model": "m", "provider": "p",
             "keys": []}  # fmt: skip
    async with database.transaction() as transaction:
        await put_agent(transaction.connection, "bench", agent)
        await put_version(transaction.connection, "bench", agent)
        dataset: UUID = await ensure_dataset(transaction.connection, "bench", "bench")
    for done in range(0, size, 5_000):
        async with database.transaction() as transaction:
            await transaction.connection.execute(FILL, "bench", dataset, min(5_000, size - done), WORDS)
    async with database.transaction() as transaction:
        await transaction.connection.execute(CHECKED)
        await transaction.connection.execute("DELETE FROM check_queue")


async def _freeze() -> dict[str, float]:
    url, folder = os.environ["BENCH_URL"], os.environ["BENCH_OBJECTS"]
    database = Database(url, url, "dataset_svc", source="/bench")
    await database.open(http=False)
    freezer = Freezer(database, ObjectStore(folder), lease=60)
    before = _memory_mb("VmRSS")
    pins, freezes, copies = [], [], []
    for version in range(1, ROUNDS + 1):
        pins.append(await _timed(_pin(database)))
        freezes.append(await _timed(freezer.freeze_next()))
        copies.append(await _timed(_copy(database, version, folder)))
    peak = _memory_mb("VmHWM")
    async with database.transaction() as transaction:
        manifest = await transaction.connection.fetchval("SELECT manifest FROM dataset_versions LIMIT 1")
    await database.close()
    files = manifest["files"].values()
    return {"peak_mb": peak, "growth_mb": round(peak - before, 1), "seconds": median(freezes),
            "copy_seconds": median(copies), "pin_seconds": median(pins),
            "bytes": sum(one["bytes"] for one in files), "examples": manifest["examples"]}  # fmt: skip


async def _pin(database: Database) -> None:
    async with database.transaction() as transaction:
        dataset = await transaction.connection.fetchval("SELECT id FROM datasets")
        await begin_version(
            transaction, tenant="bench", by="bench", dataset_id=dataset, catalogue=Catalogue(None)
        )


async def _copy(database: Database, version: int, folder: str) -> None:
    """The rows as PostgreSQL sends them, written to a file by the driver."""
    path = Path(folder.removeprefix("file://")) / f"copy-{version}"
    async with database.transaction() as transaction:
        await transaction.connection.copy_from_query(COPY, version, output=path)


async def _timed(work: Awaitable[object]) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


def _memory_mb(field: str) -> float:
    """What the kernel says of this process; unlike getrusage, nothing of the parent's is in it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(one for one in lines if one.startswith(field))
    return round(int(line.split()[1]) / 1024, 1)


if __name__ == "__main__":
    main()
