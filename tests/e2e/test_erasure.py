"""A client is erased while his events are redelivered and dead letters are replayed, over four services."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from chassis.objects import ObjectStore
from contracts.chat import ChatClient, ChatMessage, DialogEnded, FunctionCall, MessagePosted, ToolCall
from contracts.event import Event
from contracts.topics import TOPICS, dead_letter_topics, message_key
from deploy.ctl.dlt import replay
from deploy.stack.services import Surroundings
from tests.e2e.world import SECRET, Loop, loop_world, walk
from tests.harness import caught_up, now, publisher, records, until
from tests.traces_left import in_objects, in_tables, in_topics

CANARY = "zimzalabim-4711"
SOURCES = ("chat.events", "dialog.completed")
LETTERS = ("chat.events.dialog-svc.dlt", "dialog.completed.dataset-svc.dlt")


def spoken(dialog: str) -> list[Event]:
    """A dialog of the client, with a function call, that the canary runs through; d0 is in the dataset."""
    call = ToolCall(id="c1", function=FunctionCall(name="find", arguments=f'{{"who": "{CANARY}"}}'))
    parts: list[dict[str, Any]] = [
        {"role": "user", "content": f"I am {CANARY}, what do tulips cost?"},
        {"role": "assistant", "content": f"Tulips cost 5 euros, {CANARY}."},
    ]
    if dialog != "d0":
        parts[1:1] = [
            {"role": "assistant", "content": "", "tool_calls": (call,)},
            {"role": "tool", "content": f"{CANARY} has paid", "tool_call_id": "c1"},
        ]
    posted: list[Event] = [
        MessagePosted(
            dialog_id=dialog,
            agent_id="shop",
            message=ChatMessage.model_validate({"id": f"m{place}", "at": now(), **one}),
            client=ChatClient(pseudonym="anna"),
            source="live",
        )
        for place, one in enumerate(parts)
    ]
    return [*posted, DialogEnded(dialog_id=dialog, agent_id="shop", at=now())]


async def send_again(loop: Loop, producer: AIOKafkaProducer, found: list[ConsumerRecord]) -> None:
    """Send records once more, word for word."""
    for one in found:
        await producer.send_and_wait(one.topic, one.value, key=one.key, headers=list(one.headers))


async def send_broken(loop: Loop, producer: AIOKafkaProducer) -> None:
    """Send what no service can take and every service must set aside."""
    for topic in SOURCES:
        headers = [("ce_id", b"broken"), ("ce_type", b"unheard.of.v1"), ("ce_source", b"/x")]
        headers += [
            ("ce_specversion", b"1.0"),
            ("ce_tenantid", b"acme"),
            ("ce_time", b"2026-01-01T00:00:00Z"),
        ]
        body = f'{{"dialog_id": "d0", "text": "{CANARY}"'.encode() + b"}"
        await producer.send_and_wait(
            loop.surroundings.topic_prefix + topic, body, key=message_key("acme", "d0"), headers=headers
        )


@asynccontextmanager
async def commotion(loop: Loop, producer: AIOKafkaProducer) -> AsyncIterator[None]:
    """Events of the client come again and again, and dead letters are replayed, while the block runs."""
    prefix = loop.surroundings.topic_prefix
    found = [one for topic in SOURCES for one in await records(loop.surroundings, topic)]
    found = [one for one in found if one.value is not None and CANARY.encode() in one.value]
    assert len(found) > 8

    async def stir() -> None:
        while True:
            await send_again(loop, producer, found)
            await replay(
                loop.surroundings.broker(), [prefix + one for one in LETTERS], prefix,
                ObjectStore(loop.surroundings.objects.as_uri()), again=True,
            )  # fmt: skip

    stirring = asyncio.create_task(stir())
    try:
        yield
        assert not stirring.done(), "it goes on all the time"
    finally:
        stirring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stirring


async def settled(loop: Loop) -> None:
    """Wait until everything that was sent is taken, and what came of it, too."""
    for topic in (*SOURCES, "dialog.forgotten"):
        for service in TOPICS[topic].consumers:
            await until(
                partial(caught_up, loop.surroundings, topic, service),
                what=f"{service} has taken all of {topic}",
            )


def kept(topic: str) -> timedelta:
    """How long a topic keeps a record at most."""
    return timedelta(milliseconds=(TOPICS | dead_letter_topics())[topic].retention_ms, days=1)


async def provider_files(loop: Loop) -> list[str]:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {SECRET}"}) as client:
        answer = await client.get(f"{loop.simulator.base_url}/files", params={"purpose": "fine-tune"})
        return [one["id"] for one in answer.raise_for_status().json()["data"]]


@pytest.mark.timeout(300)
async def test_a_client_is_forgotten_everywhere_and_does_not_come_back(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with (
        loop_world(surroundings, tmp_path, erase_settle="1", tidy_every="1") as loop,
        publisher(surroundings) as producer,
    ):
        await walk(loop, extra=[*spoken("d0"), *spoken("calls")])
        await send_broken(loop, producer)
        for topic in LETTERS:
            await until(partial(records, loop.surroundings, topic))
        assert len(await in_tables(surroundings, CANARY)) >= 5
        assert in_objects(surroundings, CANARY)
        assert await provider_files(loop)

        async with commotion(loop, producer):
            asked = await loop.ok("dialog-svc", "POST", "/v1/erasures", json={"client": "anna"})

            async def forgotten() -> Any:
                record = await loop.ok("dialog-svc", "GET", f"/v1/erasures/{asked['id']}")
                return record if record["state"] == "done" and record["dialogs"] == 2 else None

            await until(forgotten, 90, "everyone has forgotten")
            letters = {topic: len(await records(loop.surroundings, topic)) for topic in LETTERS}
            await asyncio.sleep(3)
        await settled(loop)

        assert await in_tables(surroundings, CANARY) == []
        assert in_objects(surroundings, CANARY) == []
        assert await provider_files(loop) == []
        assert letters == {topic: len(await records(loop.surroundings, topic)) for topic in LETTERS}
        record = await loop.ok("dialog-svc", "GET", f"/v1/erasures/{asked['id']}")
        expires = datetime.fromisoformat(record["last_copy_expires_at"])
        copies = await in_topics(surroundings, CANARY)
        assert set(copies) >= {*SOURCES, *LETTERS}
        late = {topic: at for topic, at in copies.items() if at + kept(topic) > expires}
        assert late == {}, f"younger than the record's date {expires}"
        assert CANARY not in str(record)
        await _holdings(loop, record)
        await _rebuilt(loop)


async def _holdings(loop: Loop, record: dict[str, Any]) -> None:
    """The record names all that held the dialogs, and what cannot be undone."""
    held = [
        (one["kind"], one["id"], one["state"])
        for item in record["items"]
        for service in item["services"]
        for one in service["held"]
    ]
    version = f"{loop.ids['dataset']}:{loop.ids['version']}"
    assert ("version", version, "deleted") in held
    assert ("run", loop.ids["run"], "kept") in held
    assert [state for kind, _, state in held if kind == "provider_file"] == ["deleted"]
    assert [state for kind, _, state in held if kind == "model"]
    (example,) = [name for kind, name, _ in held if kind == "example"]
    traced = str(await loop.ok("dataset-svc", "GET", "/v1/lineage/dialog/d0"))
    assert all(name in traced for name in (example, version, loop.ids["run"])), "its id still leads to these"
    assert sum(item["removed"]["messages"] for item in record["items"]) == 6


async def _rebuilt(loop: Loop) -> None:
    """One call makes the version again without the dialog, and trains it."""
    path = f"/v1/datasets/{loop.ids['dataset']}/versions/{loop.ids['version']}"
    gone = await loop.call("dataset-svc", "POST", f"{path}/train", json={"confirm_warnings": True})
    assert (gone.status_code, gone.json()["code"]) == (409, "version_withdrawn")
    wanted = {"train": {"confirm_warnings": True}}
    begun = await loop.ok("dataset-svc", "POST", f"{path}/rebuild", json=wanted)

    async def ready() -> Any:
        answer = await loop.call("training-svc", "GET", f"/v1/runs/{begun['run_id']}")
        return answer.is_success and answer.json()["status"] == "ready"

    await until(ready)
    rebuilt = await loop.ok(
        "dataset-svc", "GET", f"/v1/datasets/{loop.ids['dataset']}/versions/{begun['version']}"
    )
    before = await loop.ok("dataset-svc", "GET", path)
    assert rebuilt["examples"] == before["examples"] - 1
    assert rebuilt["settings"]["rebuilt_from"] == before["version"]
    assert in_objects(loop.surroundings, CANARY) == []
