"""Freezing takes the same memory whatever the size: `python -m tests.bench.freeze`.

Two datasets of 10,000 and 100,000 examples in a real PostgreSQL, each frozen in a process of its own.
The last line is {peak_mb_10k, peak_mb_100k, ratio}; growth is the peak less what the process held before.
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
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from chassis.database import Database
from chassis.objects import ObjectStore
from dataset_svc.outbound.agent_store import ensure_dataset, put_agent
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
                print(f"{size} examples: {found['bytes'] / 1e6:.0f} MB in {found['seconds']:.1f} s")
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
        dataset: UUID = await ensure_dataset(transaction.connection, "bench", "bench")
    for done in range(0, size, 5_000):
        async with database.transaction() as transaction:
            await transaction.connection.execute(FILL, "bench", dataset, min(5_000, size - done), WORDS)
    async with database.transaction() as transaction:
        await begin_version(transaction, tenant="bench", by="bench", dataset_id=dataset, least=10)


async def _freeze() -> dict[str, float]:
    url = os.environ["BENCH_URL"]
    database = Database(url, url, "dataset_svc", source="/bench")
    await database.open(http=False)
    freezer = Freezer(database, ObjectStore(os.environ["BENCH_OBJECTS"]), lease=60, least=10)
    before, started = _memory_mb("VmRSS"), time.perf_counter()
    await freezer.freeze_next()
    seconds, peak = time.perf_counter() - started, _memory_mb("VmHWM")
    async with database.transaction() as transaction:
        manifest = await transaction.connection.fetchval("SELECT manifest FROM dataset_versions")
    await database.close()
    file = manifest["files"]["training"]
    return {"peak_mb": peak, "growth_mb": round(peak - before, 1), "seconds": seconds,
            "bytes": file["bytes"], "examples": file["examples"]}  # fmt: skip


def _memory_mb(field: str) -> float:
    """What the kernel says of this process; unlike getrusage, nothing of the parent's is in it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(one for one in lines if one.startswith(field))
    return round(int(line.split()[1]) / 1024, 1)


if __name__ == "__main__":
    main()
