"""Dialogs as the chat backend tells of them, and dialog-svc's lists as the owner sees them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from aiokafka import AIOKafkaProducer

from chassis.envelope import UNKNOWN, Received, encode_headers, new_headers
from chassis.objects import ObjectStore
from contracts.chat import ChatMessage, FunctionCall, MessagePosted, ToolCall
from contracts.event import Event
from contracts.topics import message_key
from deploy.stack.services import Surroundings
from dialog_svc.domain.retention import Retention
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.usecases.take_in_chat import take_in_chat
from tests.harness import Running, now, until
from tests.integration.kit import Kit

START = now().replace(microsecond=0) - timedelta(days=1)


def said(dialog: str, number: int, role: str = "user", text: str = "", **more: Any) -> MessagePosted:
    """Message `m{number}` of a dialog, `number` minutes after START; `call` names a function it calls."""
    call = more.pop("call", None)
    event = {key: more.pop(key) for key in ("source", "channel", "replaces", "agent_id") if key in more}
    if call:
        function = FunctionCall(name=call, arguments=more.pop("arguments", "{}"))
        more["tool_calls"] = (ToolCall(id="c1", function=function),)
    message = ChatMessage(
        id=f"m{number}",
        role=role,
        content=text or f"text {number}",
        at=more.pop("at", START + timedelta(minutes=number)),
        **more,
    )
    return MessagePosted(
        dialog_id=dialog, message=message, **({"agent_id": "shop", "source": "live"} | event)
    )


async def publish_at(
    producer: AIOKafkaProducer,
    surroundings: Surroundings,
    event: Event,
    at: datetime,
    partition: int,
    tenant: str = "acme",
) -> None:
    """Publish an event as if at another time, into a partition."""
    headers = new_headers(event, tenant=tenant, source="/chat-backend") | {"ce_time": at.isoformat()}
    await producer.send_and_wait(
        surroundings.topic_prefix + event.TOPIC,
        event.body(),
        key=message_key(tenant, event.key()),
        headers=encode_headers(headers),
        partition=partition,
    )


def transcripts(parts: Kit) -> TranscriptStore:
    """Where transcripts of more than 1,000 bytes go."""
    return TranscriptStore(ObjectStore(parts.settings.objects_url), 1_000)


async def take_in(
    parts: Kit, *events: Event, tenant: str = "acme", at: datetime = START, appended: datetime = UNKNOWN
) -> None:
    """Take a batch of partition 0 in, in this process."""
    batch: list[Received[Any]] = [
        Received(event, tenant, f"e{number}", "/chat", at, 0, "", 0, number, appended)
        for number, event in enumerate(events)
    ]
    async with parts.database.transaction() as transaction:
        await take_in_chat(batch, transaction, transcripts(parts), Retention())


async def listed(running: Running, count: int, tenant: str = "acme", **query: Any) -> list[dict[str, Any]]:
    """The first page of a list as soon as it holds `count` dialogs."""
    api = await running.client(tenant)

    async def full() -> Any:
        answer = await api.get("/v1/dialogs", params=query)
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        assert len(items) <= count, items
        return (True, items) if len(items) == count else None

    return list((await until(full, what=f"{count} dialogs listed"))[1])


def ids(items: list[dict[str, Any]]) -> list[str]:
    """Their dialogs' ids."""
    return [item["dialog_id"] for item in items]
