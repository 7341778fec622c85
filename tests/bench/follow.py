"""How old what is known of many runs gets while one training-svc follows them all.

The provider simulator answers each call after 50 ms. A tenth of the jobs end while it is measured: their lag
is the time from the provider's end to the end recorded; an age is the time since a run was last looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import psutil
import yaml
from uuid_utils import uuid7

from chassis.keyring import Keyring
from chassis.vault import SecretId, seal
from deploy.simulator import lifecycle
from deploy.simulator.accounts import account_of_key
from deploy.simulator.records import Job, Plan, Stages
from deploy.simulator.store import Store
from deploy.stack.processes import Process, port_answers
from deploy.stack.services import Surroundings
from deploy.stack.settings import ROOT, free_ports
from tests.bench._stage import quantile, result, stage
from tests.harness import instance

BASE = "gpt-4o-mini-2024-07-18"
ANSWER_SECONDS = 0.05
OLDEST = 7_200.0
NEVER = 10.0**6
SAMPLE_EVERY = 2.0
ENDS_ONE_IN = 10
GRACE = 45.0


@dataclass(frozen=True, slots=True)
class Population:
    """The runs: each key's jobs, and when those that end do so (seconds since the epoch)."""

    keys: dict[str, str]
    jobs: list[tuple[str, Job]]
    ends: dict[str, float]


def _population(runs: int, keys: int, seconds: float, calm: float) -> Population:
    """Runs of all ages, spread over the keys; a tenth end within the `seconds` after `calm` ones."""
    now, random_ = time.time(), random.Random(1)
    by_key = {str(uuid7()): f"sk-bench-{number:05}" for number in range(keys)}
    names, jobs, ends = list(by_key), [], {}
    plan = Plan(examples=100, trained_tokens=30_000, n_epochs=3, batch_size=1, learning_rate_multiplier=1.0)
    for number in range(runs):
        key_id, run_id = names[number % keys], str(uuid7())
        born = now - random_.uniform(120, OLDEST)
        end = now + calm + random_.uniform(0, seconds) if number % ENDS_ONE_IN == 0 else now + NEVER
        job = Job(
            id=f"ftjob-{number:08}",
            account=account_of_key(by_key[key_id]).id,
            created_at=born,
            model=BASE,
            training_file=f"file-{number:08}",
            training_filename=f"{run_id}-1-x.jsonl",
            validation_file=None,
            suffix=None,
            seed=1,
            metadata={"run_id": run_id},
            asked={"n_epochs": 3},
            stages=Stages(1.0, 1.0, end - born - 2.0),
            plan=plan,
        )
        jobs.append((key_id, job))
        if number % ENDS_ONE_IN == 0:
            ends[run_id] = end
    return Population(by_key, jobs, ends)


def _fill_simulator(folder: Path, population: Population) -> None:
    store = Store(folder)
    for _, job in population.jobs:
        store.add_job(job)
    store.close()


def _rows(population: Population, base_url: str) -> Iterator[tuple[Any, ...]]:
    for key_id, job in population.jobs:
        run_id = str((job.metadata or {})["run_id"])
        request = {
            "tenant": "acme",
            "run_id": run_id,
            "dataset_id": run_id,
            "version": 1,
            "agent_id": "shop",
            "agent_version": 1,
            "base_model": BASE,
            "provider": "bench",
            "key_id": key_id,
            "method": "supervised",
            "training": {"uri": "x", "sha256": "0" * 64, "bytes": 1, "examples": 100, "tokens": 10_000},
            "validation": None,
            "prompt_fingerprint": "ab" * 32,
            "hyperparameters": {"n_epochs": 3},
        }
        running = lifecycle.status(job, time.time())
        yield run_id, request, base_url, running, job.id, job.training_file, job.created_at


async def _fill_tables(surroundings: Surroundings, population: Population, base_url: str) -> None:
    """Insert the runs as they are once their job is known, and the sealed keys."""
    master = Keyring.of(base64.b64decode(surroundings.master_key))
    async with surroundings.databases.connection(surroundings.database) as admin:
        await admin.execute("SET session_replication_role = replica")
        await admin.executemany(
            "INSERT INTO vault.secrets (tenant_id, key_id, version, sealed) VALUES ('acme', $1, 1, $2)",
            [
                (UUID(key_id), seal(master, SecretId("acme", key_id, 1), key))
                for key_id, key in population.keys.items()
            ],
        )
        await admin.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        await admin.executemany(
            """
            INSERT INTO training_svc.runs (
                tenant_id, run_id, agent_id, dataset_id, version, provider, settings_sha256, request,
                base_url, key_version, status, step, provider_status, job_id, training_file_id, created_at,
                checked_at, next_poll_at
            ) VALUES (
                'acme', $1::uuid, 'shop', $1::uuid, 1, 'bench', 'x', $2, $3, 1, 'training', 'following', $4,
                $5, $6, to_timestamp($7), clock_timestamp(), clock_timestamp() + random() * interval '20 s'
            )
            """,
            list(_rows(population, base_url)),
        )
        await admin.execute("ANALYZE training_svc.runs")


@asynccontextmanager
async def _simulator(folder: Path) -> AsyncIterator[str]:
    (port,) = free_ports(1)
    command: list[str | Path] = [sys.executable, "-P", "-m", "deploy.simulator", "--port", str(port)]
    command += ["--state", folder / "simulator", "--admin"]
    process = Process("simulator", command, log=folder / "simulator.log", env=dict(os.environ), cwd=ROOT)
    process.start()
    address = f"http://127.0.0.1:{port}"
    try:
        await process.ready(lambda: port_answers(port), 30)
        async with httpx.AsyncClient() as client:
            slow = {"fault": "hang", "seconds": ANSWER_SECONDS, "times": None, "when": "after"}
            (await client.post(f"{address}/_admin/faults", json=slow)).raise_for_status()
        yield address
    finally:
        await process.stop(5)


async def _calls(address: str) -> int:
    async with httpx.AsyncClient() as client:
        counts = (await client.get(f"{address}/_admin/requests", timeout=30)).json()["requests"]
    return sum(counts.values())


async def _ages(connection: asyncpg.Connection) -> list[float]:
    rows = await connection.fetch(
        "SELECT extract(epoch FROM clock_timestamp() - checked_at)::float8 FROM training_svc.runs "
        "WHERE followed"
    )
    return [row[0] for row in rows]


async def _lags(connection: asyncpg.Connection, ends: dict[str, float]) -> list[float]:
    rows = await connection.fetch(
        "SELECT run_id::text, extract(epoch FROM checked_at)::float8 FROM training_svc.runs "
        "WHERE status = 'ready'"
    )
    return [checked - ends[run_id] for run_id, checked in rows]


async def _measure(runs: int, keys: int, calm: float, seconds: float) -> dict[str, Any]:
    async with stage("follow") as (_, surroundings):
        folder = surroundings.objects.parent
        population = _population(runs, keys, seconds, calm + 15)
        (folder / "simulator").mkdir()
        _fill_simulator(folder / "simulator", population)
        async with _simulator(folder) as address:
            entry = {"id": "bench", "name": "Bench", "base_url": f"{address}/v1", "allow_private": True}
            catalogue = folder / "catalogue.yaml"
            catalogue.write_text(yaml.safe_dump({"providers": [entry], "base_models": []}))
            await _fill_tables(surroundings, population, f"{address}/v1")
            running = instance(
                surroundings, "training-svc", folder, catalogue=str(catalogue), log_level="warning"
            )
            running.start()
            try:
                await running.ready()
                print(f"{runs:,} runs over {keys:,} keys; {calm:.0f} s to settle …", flush=True)
                await asyncio.sleep(calm)
                assert running.process is not None
                watched = psutil.Process(running.process.pid)
                before, cpu, ages, began = await _calls(address), watched.cpu_times(), [], time.monotonic()
                async with surroundings.databases.connection(surroundings.database) as admin:
                    while time.monotonic() < began + seconds:
                        ages += await _ages(admin)
                        print(
                            f"\r{time.monotonic() - began:4.0f} s, p99 {quantile(ages, 0.99):.1f} s", end=""
                        )
                        await asyncio.sleep(SAMPLE_EVERY)
                    took = time.monotonic() - began
                    calls, spent = await _calls(address) - before, watched.cpu_times()
                    await asyncio.sleep(max(population.ends.values()) + GRACE - time.time())
                    lags = await _lags(admin, population.ends)
                print()
                used = spent.user + spent.system - cpu.user - cpu.system
                memory = watched.memory_info().rss
            finally:
                running.stop(9)
    if len(lags) < len(population.ends):
        raise SystemExit(f"{len(population.ends) - len(lags)} of {len(population.ends)} ends were not seen")
    return {
        "staleness_p99_s": round(max(quantile(ages, 0.99), quantile(lags, 0.99)), 1),
        "age_p50_s": round(quantile(ages, 0.5), 1),
        "age_p99_s": round(quantile(ages, 0.99), 1),
        "lag_p50_s": round(quantile(lags, 0.5), 1),
        "lag_p99_s": round(quantile(lags, 0.99), 1),
        "runs": runs,
        "keys": keys,
        "calls_per_s": round(calls / took, 1),
        "cpu_share": round(used / took, 2),
        "rss_mb": round(memory / 1_000_000),
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench follow", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--keys", type=int, default=1_000)
    parser.add_argument("--calm", type=float, default=30, help="seconds before it is measured")
    parser.add_argument("--seconds", type=float, default=90)
    given = parser.parse_args()
    result(**asyncio.run(_measure(given.runs, given.keys, given.calm, given.seconds)))


if __name__ == "__main__":
    main()
