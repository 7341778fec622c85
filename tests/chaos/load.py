"""The load of the ledger test: dialogs as the chat backend publishes them, examples as owners make them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from chassis.envelope import encode_headers, new_headers
from contracts.chat import ChatMessage, DialogEnded, DialogRatedInChat, MessagePosted
from contracts.event import Event
from contracts.topics import message_key
from deploy.stack.services import Surroundings
from tests.chaos.world import World
from tests.harness import now, until

TENANTS = ("acme", "globex", "initech")
WINDOW = 100


@dataclass
class Ledger:
    """What was published: per (tenant, dialog) its message ids in order."""

    dialogs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    events: int = 0
    saved: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def messages(self) -> int:
        return sum(map(len, self.dialogs.values()))


def dialog_events(dialog: str, length: int) -> Iterator[Event]:
    """One dialog: questions and answers, two ratings, the end."""
    for number in range(length):
        role: Any = "assistant" if number % 2 else "user"
        message = ChatMessage(id=f"m{number}", role=role, content=f"{dialog} says {number}", at=now())
        yield MessagePosted(dialog_id=dialog, agent_id="shop", message=message, source="live")
    yield DialogRatedInChat(dialog_id=dialog, rating="good", by="client")
    yield DialogRatedInChat(dialog_id=dialog, message_id="m1", rating="bad", by="operator")
    yield DialogEnded(dialog_id=dialog, agent_id="shop", outcome="success", at=now())


async def publish_load(
    surroundings: Surroundings,
    ledger: Ledger,
    seed: int,
    *,
    dialogs: int,
    length: int,
    seconds: float,
    first: int = 0,
) -> None:
    """Publish all dialogs interleaved over about `seconds`; a tenth of the events is sent twice."""
    dice = random.Random(seed)
    plan: list[tuple[str, list[Event]]] = []
    for number in range(first, first + dialogs):
        tenant, dialog = TENANTS[number % len(TENANTS)], f"d{number // len(TENANTS)}"
        plan.append((tenant, list(dialog_events(dialog, length))))
        ledger.dialogs[tenant, dialog] = [f"m{place}" for place in range(length)]
    groups = [plan[start : start + 50] for start in range(0, len(plan), 50)]
    rounds = sum(-(-sum(len(events) for _, events in group) // WINDOW) for group in groups)
    for group in groups:
        tenants = [tenant for tenant, _ in group]
        records = [
            (tenant, event, new_headers(event, tenant=tenant, source="/chat-backend"))
            for row in zip_longest(*(events for _, events in group))
            for tenant, event in zip(tenants, row, strict=True)
            if event is not None
        ]
        for start in range(0, len(records), WINDOW):
            window = records[start : start + WINDOW]
            again = [record for record in window if dice.random() < 0.1]
            ledger.events += len(window)
            await _send(surroundings, window + again)
            await asyncio.sleep(seconds / rounds)


async def _send(surroundings: Surroundings, window: list[tuple[str, Event, dict[str, str]]]) -> None:
    """Send a window in order; after any failure the whole window again, by a new producer."""
    while True:
        producer = AIOKafkaProducer(
            bootstrap_servers=surroundings.kafka_bootstrap, enable_idempotence=True, acks="all"
        )
        try:
            await asyncio.wait_for(producer.start(), 20)
            futures = [
                await producer.send(
                    surroundings.topic_prefix + event.TOPIC,
                    event.body(),
                    key=message_key(tenant, event.key()),
                    headers=encode_headers(headers),
                )
                for tenant, event, headers in window
            ]
            await asyncio.wait_for(asyncio.gather(*futures), 20)
            return
        except (KafkaError, TimeoutError, OSError):
            await asyncio.sleep(0.5)
        finally:
            with contextlib.suppress(KafkaError, TimeoutError, OSError):
                await asyncio.wait_for(producer.stop(), 5)


async def curate(world: World, ledger: Ledger, seed: int, *, examples: int, tokens: dict[str, str]) -> None:
    """Open, save and remove examples over HTTP while everything else breaks; every call is repeated."""
    dice = random.Random(seed + 1)
    targets = [one for one in world.instances if one.name == "dataset-svc"]
    chosen = dice.sample(sorted(ledger.dialogs), examples)
    async with httpx.AsyncClient(timeout=10) as client:

        async def call(tenant: str, method: str, path: str, **body: Any) -> httpx.Response:
            while True:
                headers = {"Authorization": f"Bearer {tokens[tenant]}"}
                try:
                    url = dice.choice(targets).url + path
                    answer = await client.request(method, url, headers=headers, **body)
                    if answer.status_code < 500 and not (answer.status_code == 404 and "datasets" in path):
                        return answer
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.3)

        for tenant, dialog in chosen:
            await _curate_one(call, ledger, tenant, dialog, removed=dice.random() < 0.4)


async def _curate_one(call: Any, ledger: Ledger, tenant: str, dialog: str, *, removed: bool) -> None:
    async def datasets() -> Any:
        return (await call(tenant, "GET", "/v1/datasets?agent_id=shop")).json()["items"]

    dataset = (await until(datasets))[0]["id"]
    while True:
        body = {"dialog_id": dialog, "revision": 1}
        opened = await call(tenant, "POST", f"/v1/datasets/{dataset}/examples", json=body)
        if opened.status_code in (200, 201):
            break
        assert opened.status_code == 202, opened.text
        await asyncio.sleep(0.3)
    example = opened.json()["id"]
    saved = await call(tenant, "POST", f"/v1/examples/{example}/save")
    assert saved.status_code in (200, 201), saved.text
    if removed:
        gone = await call(tenant, "DELETE", f"/v1/examples/{example}")
        assert gone.status_code in (204, 404, 409), gone.text
    ledger.saved[tenant, dialog] = "removed" if removed else "saved"
