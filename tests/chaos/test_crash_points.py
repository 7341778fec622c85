"""Crash points of a training run: killed by SIGKILL at each line of the crash table, again and again.

Each kill hits a whole batch of runs at the same line, held there by the provider or by a lock, never by test
code inside the service; then a random delay, then the kill. In the end the provider's ledger shows one living
job for each run, and no file.

`MORTARBOARD_CRASHES` sets how many runs are hit at each line (16 by default; 100 for the proof), and
`MORTARBOARD_CRASH_BATCH` how many of them by one kill (1 to 8, the drivers of a process).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from contracts.datasets import DatasetReady
from deploy.stack.services import Surroundings
from tests.chaos.training import all_ended, no_files_left, rows_of, settle
from tests.harness import Running, until
from tests.integration.training_world import World, world

CRASHES = int(os.environ.get("MORTARBOARD_CRASHES", "16"))
BATCH = int(os.environ.get("MORTARBOARD_CRASH_BATCH", "8"))
FILES, JOBS = "/v1/files", "/v1/fine_tuning/jobs"
HELD = 3.0
"""Seconds for which the provider keeps its answers back: long enough to be killed meanwhile."""
SETTINGS = {
    "drivers": str(BATCH),
    "provider_timeout": "4",
    "upload_timeout": "8",
    "lease_seconds": "1.5",
    "files_kept": "6",
    "tidy_every": "0.5",
}
Act = Callable[["Stage"], Awaitable[None]]


@dataclass
class Stage:
    """A batch of runs on their way to a line."""

    world: World
    service: Running
    batch: list[DatasetReady]
    before: dict[str, int]
    locks: asyncpg.Connection | None = None

    @property
    def ids(self) -> list[str]:
        return [one.run_id for one in self.batch]

    async def calls(self, call: str) -> int:
        """How often a call was made since the batch began."""
        return (await self.world.requests()).get(call, 0) - self.before.get(call, 0)

    async def called(self, call: str) -> None:
        """Wait until the call was made for every run of the batch."""

        async def look() -> bool:
            return await self.calls(call) >= len(self.batch)

        await until(look, 30, f"{call}; {self.world.logs()}")

    async def rows(self, **wanted: Any) -> None:
        """Wait until every run of the batch looks like this."""

        async def look() -> bool:
            rows = await rows_of(self.world, self.ids)
            fits = [row for row in rows.values() if all(row[name] == one for name, one in wanted.items())]
            return len(fits) == len(self.batch)

        await until(look, 30, f"{wanted}; {self.world.logs()}")

    def hold(self, method: str, path: str, when: str) -> None:
        """Let the provider keep its answers to these calls back, the work done before or after the wait."""
        self.world.simulator.add_fault(
            "hang", match={"method": method, "path": path}, when=when, seconds=HELD, times=len(self.batch)
        )

    async def lock(self, table: str, mode: str) -> None:
        """Keep statements of the service that change a table waiting."""
        databases = self.world.surroundings.databases
        self.locks = await asyncpg.connect(
            databases.admin_url.rpartition("/")[0] + "/" + self.world.surroundings.database
        )
        await self.locks.execute(f"BEGIN; LOCK TABLE training_svc.{table} IN {mode} MODE")

    async def waits(self, statement: str) -> None:
        """Wait until the service waits for a lock in a statement."""

        async def look() -> bool:
            async with self.world.surroundings.databases.connection(self.world.surroundings.database) as one:
                found = await one.fetchval(
                    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'training_svc' "
                    "AND wait_event_type = 'Lock' AND datname = current_database() "
                    "AND position($1 IN query) > 0",
                    statement,
                )
            return bool(found)

        await until(look, 30, f"{statement}; {self.world.logs()}")


async def before_the_intent_commits(stage: Stage) -> None:
    # the rows are written, their events wait for their numbers
    await stage.lock("outbox_keys", "EXCLUSIVE")
    await stage.world.publish(*stage.batch)
    await stage.waits("INSERT INTO outbox_keys")


async def after_the_intent_before_the_offsets(stage: Stage) -> None:
    await stage.world.publish(*stage.batch)

    async def some() -> bool:
        return bool(await rows_of(stage.world, stage.ids))

    await until(some)


async def during_the_upload(stage: Stage) -> None:
    stage.hold("POST", FILES, "before")
    await stage.world.publish(*stage.batch)
    await stage.called(f"POST {FILES}")


async def after_the_upload(stage: Stage) -> None:
    stage.hold("POST", FILES, "after")
    await stage.world.publish(*stage.batch)
    await stage.called(f"POST {FILES}")


async def before_the_create(stage: Stage) -> None:
    stage.hold("GET", JOBS, "before")
    await stage.world.publish(*stage.batch)
    await stage.called(f"GET {JOBS}")


async def in_the_create(stage: Stage) -> None:
    stage.hold("POST", JOBS, random.choice(["before", "after"]))
    await stage.world.publish(*stage.batch)
    await stage.called(f"POST {JOBS}")


async def in_doubt(stage: Stage) -> None:
    stage.world.simulator.add_fault("answer_lost_after_create", times=len(stage.batch))
    await stage.world.publish(*stage.batch)
    await stage.rows(doubted=True)


async def after_the_create_before_recording(stage: Stage) -> None:
    stage.hold("POST", JOBS, "after")
    await stage.world.publish(*stage.batch)
    await stage.called(f"POST {JOBS}")
    # the jobs are there and their answers come; what they say cannot be recorded
    await stage.lock("runs", "EXCLUSIVE")
    await asyncio.sleep(HELD)
    rows = await rows_of(stage.world, stage.ids)
    assert {row["job_id"] for row in rows.values()} == {None}
    assert all(stage.world.jobs(run_id) for run_id in stage.ids)


async def while_following(stage: Stage) -> None:
    await stage.world.publish(*stage.batch)
    await stage.rows(step="following")


LINES: list[Act] = [
    before_the_intent_commits,
    after_the_intent_before_the_offsets,
    during_the_upload,
    after_the_upload,
    before_the_create,
    in_the_create,
    in_doubt,
    after_the_create_before_recording,
    while_following,
]


@pytest.mark.timeout(300 + 30 * CRASHES)
@pytest.mark.parametrize("line", LINES, ids=lambda one: one.__name__)
async def test_crash_points(line: Act, surroundings: Surroundings, tmp_path: Path) -> None:
    async with world(surroundings, tmp_path, speed=20.0) as a_world:
        service = await a_world.started(**SETTINGS)
        dice, ids, kills = random.Random(line.__name__), list[str](), 0
        while len(ids) < CRASHES:
            batch = [await a_world.request() for _ in range(min(BATCH, CRASHES - len(ids)))]
            stage = Stage(a_world, service, batch, await a_world.requests())
            await line(stage)
            await asyncio.sleep(dice.uniform(0.0, 0.4))
            await killed(stage)
            kills += 1
            ids += stage.ids
            await all_ended(a_world, stage.ids, 90)
        ledger = settle(a_world, await all_ended(a_world, ids, 60))
        print(f"{line.__name__}: {kills} kills, {ledger}")
        assert (ledger.ready, ledger.living, ledger.succeeded) == (len(ids), len(ids), len(ids))
        await no_files_left(a_world, 60)


async def killed(stage: Stage) -> None:
    """SIGKILL, then a new process in the same slot."""
    service = stage.service
    service.send(signal.SIGKILL)
    if service.process is not None:
        await asyncio.to_thread(service.process.wait)
    if stage.locks is not None:
        await stage.locks.close()
    service.start()
    await service.ready()


@pytest.mark.timeout(300 + 30 * CRASHES)
async def test_crash_points_paused_past_the_lease(surroundings: Surroundings, tmp_path: Path) -> None:
    """One worker is stopped in its creates, another takes over; then the first wakes, or is killed."""
    async with world(surroundings, tmp_path, speed=20.0) as a_world:
        workers = [await a_world.started(slot, **SETTINGS) for slot in ("1", "2")]
        dice, ids = random.Random("paused"), list[str]()
        while len(ids) < CRASHES:
            batch = [await a_world.request() for _ in range(min(BATCH, CRASHES - len(ids)))]
            # the creates of the stopped worker reach the provider, or don't, long after its lease is over
            when = dice.choice(["before", "after"])
            stage = Stage(a_world, workers[0], batch, await a_world.requests())
            stage.hold("POST", JOBS, when)
            workers[1].send(signal.SIGSTOP)
            await a_world.publish(*batch)
            await stage.called(f"POST {JOBS}")
            await asyncio.sleep(dice.uniform(0.0, 0.4))
            workers[0].send(signal.SIGSTOP)
            workers[1].send(signal.SIGCONT)
            ids += stage.ids
            await all_ended(a_world, stage.ids, 90)
            if dice.random() < 0.5:
                await killed(stage)
            workers[0].send(signal.SIGCONT)
            workers.reverse()
        ledger = settle(a_world, await all_ended(a_world, ids, 60))
        print(f"paused past the lease: {ledger}")
        assert (ledger.ready, ledger.living) == (len(ids), len(ids))
        workers[0].send(signal.SIGCONT)
        workers[1].send(signal.SIGCONT)
        await no_files_left(a_world, 60)
