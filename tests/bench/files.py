"""Importing and exporting examples takes the same memory whatever the size: `./dev bench files`.

Files of 10,000 and 100,000 lines are imported, all or nothing, and exported again with all that is
known, each in a process of its own on a real PostgreSQL. Both passes of the import are in its time.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

from chassis.database import Database
from chassis.objects import ObjectStore, Stored, tenant_prefix
from dataset_svc.domain.filter import Filter
from dataset_svc.inbound.lines import read_line
from dataset_svc.outbound.agent_store import ensure_dataset
from dataset_svc.usecases.export_examples import export_examples
from dataset_svc.usecases.import_examples import Importer, Options, begin_import
from dataset_svc.usecases.run_operations import OperationRunner
from deploy.stack.prepared import TEMPLATE, Prepared, prepare
from deploy.stack.servers import Servers
from deploy.stack.settings import ROOT, from_environment
from tests.bench._stage import NO_ISSUER, result

SIZES = {"10k": 10_000, "100k": 100_000}
WORDS = 40
"""Words in each of an example's two answers: lines of about 1 KB, as short dialogs have."""
TENANT, KEY = "bench", f"{tenant_prefix('bench')}imports/file.jsonl"


def main() -> None:
    """Write, import, export, report; with an argument: do it to what waits in the environment's database."""
    if sys.argv[1:] == ["work"]:
        print(json.dumps(asyncio.run(_work())))
        return
    result(**asyncio.run(_measure()))


async def _measure() -> dict[str, float]:
    folder = from_environment().run / "bench" / f"files-{os.getpid()}"
    figures: dict[str, float] = {}
    servers = Servers.on_free_ports(folder)
    await servers.start_postgres()
    try:
        prepared = await prepare("", servers.admin_url, NO_ISSUER, folder)
        for name, size in SIZES.items():
            found = await _one(prepared, folder / f"objects-{name}", size)
            print(f"{name}: {found}", flush=True)
            figures[f"peak_mb_{name}"] = found["peak_mb"]
            figures["import_lines_per_s"] = round(size / found["import_seconds"])
            figures["export_lines_per_s"] = round(size / found["export_seconds"])
    finally:
        await servers.postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return figures | {"ratio": round(figures["peak_mb_100k"] / figures["peak_mb_10k"], 3)}


async def _one(prepared: Prepared, objects: Path, size: int) -> dict[str, float]:
    """Let a fresh process import a file of so many lines into a fresh database, and export it."""
    name = f"files_{size}"
    await prepared.databases.create(name, TEMPLATE)
    url = prepared.databases.url(name, "dataset_svc")
    database = Database(url, url, "dataset_svc", source="/bench")
    await database.open(http=False)
    stored = _write(objects / KEY, size)
    async with database.transaction() as transaction:
        dataset = await ensure_dataset(transaction.connection, TENANT, "bench")
        await begin_import(
            transaction, tenant=TENANT, by="bench", dataset_id=dataset,
            options=Options("openai", "all_or_nothing", None), stored=stored,
        )  # fmt: skip
    await database.close()
    answer = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-P", "-m", "tests.bench.files", "work"],
        env={
            **os.environ,
            "BENCH_URL": url,
            "BENCH_OBJECTS": objects.as_uri(),
            "BENCH_DATASET": str(dataset),
        },
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    await prepared.databases.drop(name)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    if (found["imported"], found["exported"]) != (size, size):
        raise RuntimeError(f"{found} of {size} lines")
    return found


def _write(path: Path, size: int) -> Stored:
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        for number in range(size):
            words = " ".join(hashlib.md5(f"{number} {n}".encode()).hexdigest() for n in range(WORDS // 4))
            turns = [
                ("user", f"question {number}"),
                ("assistant", words),
                ("user", "ok"),
                ("assistant", words),
            ]
            file.write(
                json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]}) + "\n"
            )
    return Stored(KEY, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


async def _work() -> dict[str, float]:
    url, dataset = os.environ["BENCH_URL"], UUID(os.environ["BENCH_DATASET"])
    database, objects = (
        Database(url, url, "dataset_svc", source="/bench"),
        ObjectStore(os.environ["BENCH_OBJECTS"]),
    )
    await database.open()
    runner = OperationRunner(database, Importer(database, objects, read_line))
    began = time.perf_counter()
    while await runner.run_next():
        pass
    imported = time.perf_counter()
    lines = await export_examples(
        database, tenant=TENANT, by="bench", dataset_id=dataset, form="json", wanted=Filter()
    )
    exported = sum([piece.count(b"\n") async for piece in lines])
    ended = time.perf_counter()
    async with database.transaction() as transaction:
        count = await transaction.connection.fetchval("SELECT count(*) FROM examples WHERE state = 'saved'")
    await database.close()
    return {
        "peak_mb": _peak_mb(),
        "imported": count,
        "exported": exported,
        "import_seconds": round(imported - began, 1),
        "export_seconds": round(ended - imported, 1),
    }


def _peak_mb() -> float:
    """What the kernel says of this process; unlike getrusage, nothing of the parent's is in it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(int(next(one for one in lines if one.startswith("VmHWM")).split()[1]) / 1024, 1)


if __name__ == "__main__":
    main()
