"""Backed up under load, destroyed, restored, read on from Kafka: the ledger agrees, no job is paid twice."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from obstore.store import LocalStore

from contracts.topics import TOPICS, dead_letter_topics
from deploy.ctl.backup import BackupError, Installation, backup, restore
from deploy.stack.prepared import Prepared
from deploy.stack.services import Surroundings
from tests.chaos.ledger import _stale
from tests.chaos.load import TENANTS, Ledger, curate, publish_load
from tests.harness import Running, instance, records, token, until
from tests.integration.training_world import World, world

DIALOGS, LENGTH, EXAMPLES, SECONDS, SEED = 150, 12, 6, 30.0, 4711
ERASED = ("globex", "d20")


def installation(surroundings: Surroundings) -> Installation:
    return Installation(
        kafka={"bootstrap_servers": surroundings.kafka_bootstrap},
        databases=surroundings.databases,
        database=surroundings.database,
        objects=LocalStore(surroundings.objects, mkdir=True),
        prefix=surroundings.topic_prefix,
    )


def quiet(_: str) -> None:
    """Say nothing."""


class Place:
    """The services over one database, which is destroyed and restored."""

    def __init__(self, provider: World, folder: Path) -> None:
        self.provider = provider
        self.surroundings = provider.surroundings
        self.instances: list[Running] = [
            instance(self.surroundings, name, folder, session_timeout="3", log_level="warning")
            for name in ("dialog-svc", "dataset-svc")
        ]
        self.instances.append(provider.instance())

    async def start(self) -> None:
        for one in self.instances:
            one.start()
        await asyncio.gather(*(one.ready() for one in self.instances))

    def kill(self) -> None:
        for one in self.instances:
            one.stop(signal.SIGKILL)

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        async with self.surroundings.databases.connection(self.surroundings.database) as connection:
            return list(await connection.fetch(sql, *arguments))

    async def count(self, sql: str) -> int:
        return int((await self.fetch(f"SELECT count(*) FROM {sql}"))[0][0])

    async def destroy(self) -> None:
        """Nothing is left but Kafka; then what `mortarboardctl roles apply` makes is there again."""
        databases, name = self.surroundings.databases, self.surroundings.database
        await databases.drop(name)
        shutil.rmtree(self.surroundings.objects)
        await databases.create(name)

    async def erase(self, tenant: str, dialog: str) -> None:
        api = await self.instances[0].client(tenant)
        answer = await api.post("/v1/erasures", json={"dialog_id": dialog, "reason": "asked"})
        assert answer.status_code in (200, 202), answer.text
        gone = f"dataset_svc.tombstones WHERE tenant_id = '{tenant}'"

        async def heard() -> bool:
            return bool(await self.count(gone))

        await until(heard)

    async def job_of(self, run_id: str) -> None:
        async def there() -> bool:
            return bool(self.provider.jobs(run_id))

        await until(there, what=f"a job of {run_id}; {self.provider.logs()}")


@asynccontextmanager
async def place_in(provider: World, folder: Path) -> AsyncIterator[Place]:
    place = Place(provider, folder)
    try:
        yield place
    finally:
        place.kill()


@pytest.mark.timeout(240)
async def test_after_a_restore_nothing_that_kafka_holds_is_lost_and_nothing_is_done_twice(
    surroundings: Surroundings, servers: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger, early, seconds = Ledger(), Ledger(), {}
    tokens = {tenant: await token(servers.issuer, tenant) for tenant in TENANTS}
    copies = LocalStore(tmp_path / "backup", mkdir=True)
    async with world(surroundings, tmp_path) as provider, place_in(provider, tmp_path) as place:
        await place.start()
        loading = asyncio.create_task(
            publish_load(surroundings, ledger, SEED, dialogs=DIALOGS, length=LENGTH, seconds=SECONDS)
        )
        runs = [await provider.request() for _ in range(3)]
        await provider.publish(runs[0])
        await provider.row_when(runs[0].run_id, within=90, status="ready")
        early.dialogs = dict(list(ledger.dialogs.items())[:40])
        shim: Any = SimpleNamespace(instances=place.instances)
        await curate(shim, early, SEED, examples=EXAMPLES, tokens=tokens)
        began = time.monotonic()
        _, manifest = await asyncio.gather(
            provider.publish(runs[1]), backup(installation(surroundings), copies, quiet)
        )
        seconds["backup"] = round(time.monotonic() - began, 1)
        held = await place.count("dataset_svc.candidates")

        async def went_on() -> bool:
            return await place.count("dataset_svc.candidates") >= min(held + 20, DIALOGS - 10)

        await until(went_on, what="life after the backup")
        await provider.publish(runs[2])
        await asyncio.gather(*(place.job_of(one.run_id) for one in runs))
        await place.erase(*ERASED)
        lost = await place.count("dataset_svc.candidates") - held
        place.kill()
        await place.destroy()
        began = time.monotonic()
        done = await restore(installation(surroundings), copies, quiet)
        seconds["restore"] = round(time.monotonic() - began, 1)
        restored = await place.count("dataset_svc.candidates")
        with pytest.raises(BackupError, match="not empty"):
            await restore(installation(surroundings), copies, quiet)
        await place.start()
        await loading
        await until(lambda: _drained(place, ledger), within=90, what="everything read again")
        await asyncio.gather(*(provider.row_when(one.run_id, within=90, status="ready") for one in runs))
        report = await _check(place, ledger, early)
        jobs = {one.run_id: len(provider.jobs(one.run_id)) for one in runs}
    report |= {"lost_with_the_database": lost, "restored_candidates": restored, "seconds": seconds}
    with capsys.disabled():
        print(f"\nrestored: {json.dumps(report)}", flush=True)
    assert set(jobs.values()) == {1}, f"paid twice: {jobs}"
    assert lost > 0, "the restored state is older"
    assert done["erased_again"] == 1
    assert done["objects"] == manifest["objects"]["count"] > 0
    wrong = {name: report[name] for name in ("lost", "double", "stuck", "stale_compacted", "examples_wrong")}
    assert not any(wrong.values()), report


async def _drained(place: Place, ledger: Ledger) -> bool:
    (counts,) = await place.fetch(
        """
        SELECT (SELECT count(*) FROM dialog_svc.messages) AS messages,
               (SELECT count(*) FROM dataset_svc.candidates) AS candidates,
               (SELECT count(*) FROM dataset_svc.ratings) AS ratings,
               (SELECT count(*) FROM dialog_svc.outbox) + (SELECT count(*) FROM dataset_svc.outbox)
               + (SELECT count(*) FROM training_svc.outbox) AS waiting
        """
    )
    dialogs = len(ledger.dialogs) - 1  # one is erased
    return bool(
        (counts["messages"], counts["candidates"], counts["ratings"], counts["waiting"])
        == (LENGTH * dialogs, dialogs, 2 * dialogs, 0)
    )


async def _check(place: Place, ledger: Ledger, early: Ledger) -> dict[str, Any]:
    stored: dict[tuple[str, str], list[str]] = {}
    for row in await place.fetch("SELECT * FROM dialog_svc.messages ORDER BY tenant_id, dialog_id, position"):
        stored.setdefault((row["tenant_id"], row["dialog_id"]), []).append(row["message_id"])
    expected = {slot: ids for slot, ids in ledger.dialogs.items() if slot != ERASED}
    lost = sum(stored.get(slot) != ids for slot, ids in expected.items()) + len(set(stored) - set(expected))
    candidates = await place.fetch("SELECT message_count FROM dataset_svc.candidates")
    lost += sum(row["message_count"] != LENGTH for row in candidates)
    double = await place.count("dialog_svc.revisions") - len(expected)
    states = {
        (row["tenant_id"], row["dialog_id"]): row["state"]
        for row in await place.fetch("SELECT tenant_id, dialog_id, state FROM dataset_svc.examples")
    }
    surroundings = place.surroundings
    letters = sum([len(await records(surroundings, name)) for name in dead_letter_topics()])
    compacted = [topic.name for topic in TOPICS.values() if topic.compacted]
    return {
        "dialogs": len(ledger.dialogs),
        "events": ledger.events,
        "examples": len(early.saved),
        "lost": lost,
        "double": double,
        "stuck": letters,
        "stale_compacted": sum([_stale(await records(surroundings, name)) for name in compacted]),
        "examples_wrong": sum(states.get(slot) != state for slot, state in early.saved.items()),
    }
