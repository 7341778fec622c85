"""A thousand activations, rollbacks and failovers, redelivered, with instances killed: one route everywhere.

`MORTARBOARD_ROUTING_SEED` takes the seed that a failing run printed, `MORTARBOARD_ROUTING_ACTS` how many.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.simulator.testing import RunningSimulator
from deploy.stack.services import Surroundings
from tests.chaos.routing import FLAKY_SECRET, SURE_SECRET, Routing
from tests.harness import instance, publisher, records, until

ACTS = int(os.environ.get("MORTARBOARD_ROUTING_ACTS", "1000"))
SEED = int(os.environ.get("MORTARBOARD_ROUTING_SEED") or time.time_ns() % 1_000_000)
KILLS = max(1, ACTS // 100)
SHOP = {
    "name": "Shop",
    "prompt": "Apples.",
    "tools": [],
    "base_model": "gpt-4o-2024-08-06",
    "provider": "sure",
}


@asynccontextmanager
async def world(surroundings: Surroundings, folder: Path) -> AsyncIterator[Routing]:
    """Three instances and an agent with keys at a sure and a flaky provider."""
    with RunningSimulator(folder / "simulator") as simulator:
        catalogue = folder / "catalogue.yaml"
        names = ("sure", "flaky")
        entries = [{"id": name, "base_url": simulator.base_url, "allow_private": True} for name in names]
        catalogue.write_text(json.dumps({"providers": entries}))
        settings = {"catalogue": str(catalogue), "probe_every": "0.05", "probes": "1"}
        settings |= {"requests_per_minute": "0", "session_timeout": "3", "log_level": "warning"}
        running = [instance(surroundings, "agent-svc", folder, slot, **settings) for slot in ("1", "2", "3")]
        try:
            for one in running:
                one.start()
            await asyncio.gather(*(one.ready() for one in running))
            api = await running[0].client()
            (await api.put("/v1/agents/shop", json=SHOP)).raise_for_status()
            keys = {}
            for name, secret in (("sure", SURE_SECRET), ("flaky", FLAKY_SECRET)):
                put = await api.put(f"/v1/agents/shop/keys/{name}", json={"key": secret})
                keys[name] = put.raise_for_status().json()["key_id"]
            async with publisher(surroundings) as producer:
                yield Routing(surroundings, simulator, running, producer, keys, random.Random(SEED))
        finally:
            for one in running:
                for client in one.clients.values():
                    await client.aclose()
                one.stop(signal.SIGKILL)


@pytest.mark.timeout(900)
async def test_every_instance_ends_on_the_same_route_and_never_on_an_older_one(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    print(f"seed {SEED}, {ACTS} acts, {KILLS} kills")
    async with world(surroundings, tmp_path) as routing:
        ledger = routing.ledger
        acts = routing.dice.choices(("activate", "roll_back", "fail"), (5, 3, 2), k=ACTS)
        acts += ["kill"] * KILLS
        routing.dice.shuffle(acts)
        watching = asyncio.create_task(routing.watch())
        for act in acts:
            ledger.counts[act] += 1
            await getattr(routing, act)()
        entries = await routing.settled()
        watching.cancel()
        reasons = Counter(one["reason"] for one in entries)
        print(f"{dict(ledger.counts)}\nhistory {dict(reasons)}")
        assert ledger.older_answers == []
        _check_history(entries, ledger.activations, len(ledger.rollbacks))
        await _check_instances(routing)
        await _check_topic(routing, entries)
        assert (
            min(reasons[one] for one in ("activated", "rejected", "rolled_back", "failed_over", "recovered"))
            > 0
        )


def _check_history(entries: list[dict[str, Any]], activations: list[str], rollbacks: int) -> None:
    """Each activation was decided once, in order; each change is a version, none is skipped."""
    decided = [one["activation_id"] for one in entries if one["reason"] in {"activated", "rejected"}]
    assert decided == activations
    changes = [one for one in entries if one["reason"] in {"activated", "rolled_back"}]
    assert [one["route_version"] for one in changes] == list(range(1, len(changes) + 1))
    assert sum(one["reason"] == "rolled_back" for one in entries) == rollbacks
    versions = [one["route_version"] for one in entries]
    assert versions == sorted(versions)


async def _check_instances(routing: Routing) -> None:
    """All instances show the same route, and the same model answers a dialog on each."""
    shown = [(await (await one.client()).get("/v1/agents/shop/route")).json() for one in routing.instances]
    assert shown[0] == shown[1] == shown[2]
    for number in range(30):
        models = {await routing.ask(one, f"end-{number}") for one in routing.instances}
        assert len(models) == 1


async def _check_topic(routing: Routing, entries: list[dict[str, Any]]) -> None:
    """The topic tells the same story in the same order: its last record is what serves.

    An instance killed between Kafka's answer and its note of it leaves a window that the next relay
    sends once more: an event may stand twice, word for word, but never behind the newest for good.
    """
    newest = len(entries)

    async def all_published() -> Any:
        published = await records(routing.surroundings, "agent.routed")
        return published if published and _sequence(published[-1]) == newest else None

    found = await until(all_published)
    told: dict[int, bytes] = {}
    for record in found:
        assert told.setdefault(_sequence(record), record.value) == record.value
    assert list(told) == list(range(1, newest + 1))
    published = [json.loads(body) for body in told.values()]
    assert [(one["reason"], one["route_version"]) for one in published] == [
        (one["reason"], one["route_version"]) for one in entries
    ]
    assert published[-1]["effective"] == (await routing.history())[-1]["effective"]


def _sequence(record: Any) -> int:
    return int(dict(record.headers)["ce_sequence"])
