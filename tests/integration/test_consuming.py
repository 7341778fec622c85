"""The handler loop on real Kafka and PostgreSQL: once, in order, nothing lost, nothing blocked."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from chassis import audit, tombstones
from chassis.consumer import Consumer
from chassis.database import Transaction
from chassis.envelope import AnyReceived, encode_headers, new_headers
from chassis.errors import Transient
from chassis.objects import ObjectStore
from chassis.tombstones import Tombstone
from contracts.chat import ChatMessage, MessagePosted
from contracts.topics import message_key
from deploy.ctl.dlt import replay
from deploy.stack.services import Surroundings
from tests.harness import now, publish, publisher, records, until
from tests.integration.kit import CHAT, Noting, chat_consumer, kit, label


def posted(number: int, dialog: str = "d1", tenant_note: str = "") -> MessagePosted:
    message = ChatMessage(id=f"m{number}", role="user", content=f"text {number}{tenant_note}", at=now())
    return MessagePosted(dialog_id=dialog, agent_id="shop", message=message, source="live")


async def send_raw(
    producer: AIOKafkaProducer,
    surroundings: Surroundings,
    body: bytes | None,
    headers: Sequence[tuple[str, bytes | None]],
) -> None:
    await producer.send_and_wait(
        f"{surroundings.topic_prefix}chat.events", body, key=message_key("acme", "d1"), headers=headers
    )


def headers_of(event: MessagePosted, **changes: bytes | None) -> list[tuple[str, bytes | None]]:
    plain: dict[str, bytes | None] = dict(encode_headers(new_headers(event, tenant="acme", source="/chat")))
    return [(name, value) for name, value in (plain | changes).items() if value != b"-"]


async def test_a_redelivered_event_has_no_second_effect(surroundings: Surroundings) -> None:
    noting, event = Noting(), posted(1)
    headers = headers_of(event)
    async with kit(surroundings) as parts, publisher(surroundings) as producer:
        async with parts.consuming(chat_consumer(noting)):
            await send_raw(producer, surroundings, event.body(), headers)
            await until(lambda: _equal(noting, ["m1"]))
            await send_raw(producer, surroundings, event.body(), headers)
            await publish(producer, surroundings, [posted(2)])
            await until(lambda: _has(noting, "m2"))
    assert noting.taken == ["m1", "m2"]


async def test_the_same_event_twice_in_a_batch_has_one_effect(surroundings: Surroundings) -> None:
    noting, event = Noting(), posted(1)
    headers = headers_of(event)
    async with kit(surroundings) as parts, publisher(surroundings) as producer:
        for _ in range(2):
            await send_raw(producer, surroundings, event.body(), headers)
        await publish(producer, surroundings, [posted(2)])
        async with parts.consuming(chat_consumer(noting)):
            await until(lambda: _has(noting, "m2"))
    assert noting.taken == ["m1", "m2"]


async def test_a_refused_record_of_something_erased_becomes_no_dead_letter(
    surroundings: Surroundings,
) -> None:
    noting, erased = Noting(), now()
    async with kit(surroundings) as parts, publisher(surroundings) as producer:
        async with parts.database.transaction() as transaction:
            stones = [
                Tombstone("acme", "dialog", "gone", erased, None),
                Tombstone("acme", "client", "anna", erased, None),
            ]
            await tombstones.put(transaction.connection, stones)
        for dialog, client, said in (
            ("gone", "boris", erased),
            ("late", "anna", erased),
            ("d1", "boris", erased),
            ("back", "anna", erased + timedelta(seconds=1)),
        ):
            message = {"text": "secret words", "at": said.isoformat()}
            bad = {"dialog_id": dialog, "client": {"pseudonym": client}, "message": message}
            await send_raw(producer, surroundings, json.dumps(bad).encode(), headers_of(posted(1)))
        # of a tenant whose name no database takes: it must not stop those behind it
        nul = headers_of(posted(1), ce_tenantid=b"ac\x00me")
        await send_raw(producer, surroundings, b'{"dialog_id": "nul"}', nul)
        await publish(producer, surroundings, [posted(2)])
        async with parts.consuming(chat_consumer(noting)):
            await until(lambda: _has(noting, "m2"))
        async with parts.database.transaction() as transaction:
            heard = await transaction.connection.fetch(
                "SELECT kind FROM tombstones WHERE heard_at IS NOT NULL"
            )
    letters = await records(surroundings, "chat.events.dialog-svc.dlt")
    assert [json.loads(one.value)["dialog_id"] for one in letters] == ["d1", "back", "nul"]
    assert {row["kind"] for row in heard} == {"dialog", "client"}


async def test_a_refused_event_is_set_aside_and_those_around_it_take_effect_in_order(
    surroundings: Surroundings,
) -> None:
    taken: list[str] = []

    async def fold(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
        for received in batch:
            if label(received) == "m2":
                raise ValueError("the text of a message must not get out")
            await transaction.connection.execute("SELECT 1")
        taken.extend(map(label, batch))

    async with kit(surroundings) as parts, publisher(surroundings) as producer:
        await publish(producer, surroundings, [posted(number) for number in range(5)])
        async with parts.consuming(chat_consumer(fold)):
            await until(lambda: _true(taken == ["m0", "m1", "m3", "m4"]))
            (letter,) = await until(lambda: records(surroundings, "chat.events.dialog-svc.dlt"))
    notes = dict(letter.headers)
    assert notes["dlt_reason"] == b"ValueError"
    assert notes["dlt_original_offset"] == b"2"
    assert json.loads(letter.value)["message"]["id"] == "m2"


async def test_a_transient_error_is_retried_until_it_passes(surroundings: Surroundings) -> None:
    tries: list[list[str]] = []

    async def fold(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
        tries.append([label(one) for one in batch])
        if len(tries) < 4:
            raise asyncio.CancelledError if len(tries) == 1 else Transient("not yet")

    async with kit(surroundings) as parts, publisher(surroundings) as producer:
        await publish(producer, surroundings, [posted(1), posted(2)])
        async with parts.consuming(chat_consumer(fold)) as task:
            await until(lambda: _true(len(tries) >= 4))
            assert not task.done()
    assert set(tries[3]) == {"m1", "m2"}
    assert await records(surroundings, "chat.events.dialog-svc.dlt") == []


async def test_a_batch_read_ahead_is_read_again_after_the_one_before_it_was(
    surroundings: Surroundings,
) -> None:
    noting, tries = Noting(), 0

    async def fold(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
        nonlocal tries
        tries += 1
        await asyncio.sleep(0.05)  # long enough for the next batch to be read, be it of another partition
        if tries % 2:
            raise Transient("not yet")
        await noting(batch, transaction)

    # without the inbox, which would hide a batch that is handled twice
    consumer = Consumer("chat.events", CHAT, fold, idempotent=CHAT)
    async with kit(surroundings, batch_records=2) as parts, publisher(surroundings) as producer:
        await publish(producer, surroundings, [posted(number, f"d{number % 12}") for number in range(24)])
        async with parts.consuming(consumer):
            await until(lambda: _true(len(noting.taken) >= 24), what="every message is taken")
    assert sorted(noting.taken) == sorted(f"m{number}" for number in range(24))
    for dialog in range(12):
        assert noting.taken.index(f"m{dialog}") < noting.taken.index(f"m{dialog + 12}")


async def test_a_rebalance_amid_batches_read_ahead_loses_nothing_and_keeps_the_order(
    surroundings: Surroundings,
) -> None:
    async def fold(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
        for one in batch:
            await audit.record(
                transaction.connection, tenant="acme", subject="test", action=one.event.dialog_id,
                object_id=one.event.message.id,
            )  # fmt: skip

    async with (
        kit(surroundings, batch_records=10) as first,
        kit(surroundings, batch_records=10) as second,
        publisher(surroundings) as producer,
    ):

        async def effects() -> list[tuple[str, str]]:
            async with first.database.transaction() as transaction:
                rows = await transaction.connection.fetch("SELECT action, object_id FROM audit ORDER BY at")
            return [(row["action"], row["object_id"]) for row in rows]

        async def enough(count: int) -> bool:
            return len(await effects()) >= count

        await publish(producer, surroundings, [posted(number, f"d{number % 9}") for number in range(1800)])
        async with first.consuming(chat_consumer(fold)):
            await until(lambda: enough(100))
            async with second.consuming(chat_consumer(fold)):
                await until(lambda: enough(900))
            await until(lambda: enough(1800))
        taken = await effects()
    assert len(taken) == 1800
    for dialog in range(9):
        own = [name for of, name in taken if of == f"d{dialog}"]
        assert own == [f"m{number}" for number in range(dialog, 1800, 9)]


BOMB = b'{"dialog_id":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
GOOD = posted(7)
POISON: dict[str, tuple[bytes | None, list[tuple[str, bytes | None]], str]] = {
    "not-json": (b"\x00\xff not json", headers_of(GOOD), ""),
    "wrong-schema": (b'{"dialog_id": 5}', headers_of(GOOD), "dialog_id"),
    "null-body": (None, headers_of(GOOD), "body"),
    "null-header": (GOOD.body(), headers_of(GOOD, ce_id=None), "headers.ce_id"),
    "non-utf8-header": (GOOD.body(), headers_of(GOOD, ce_source=b"\xff\xfe"), "headers.ce_source"),
    "no-tenant": (GOOD.body(), headers_of(GOOD, ce_tenantid=b"-"), "headers.ce_tenantid"),
    "no-time": (GOOD.body(), headers_of(GOOD, ce_time=b"yesterday"), "headers.ce_time"),
    "time-before-year-1": (
        GOOD.body(),
        headers_of(GOOD, ce_time=b"0001-01-01T00:00:00+14:00"),
        "headers.ce_time",
    ),
    "message-after-year-9999": (
        GOOD.body().replace(b'"at":"20', b'"at":"9999-12-31T23:59:59-14:00","x":"'),
        headers_of(GOOD),
        "message.at",
    ),
    "unknown-type": (GOOD.body(), headers_of(GOOD, ce_type=b"chat.exploded.v1"), "headers.ce_type"),
    "json-bomb": (BOMB, headers_of(GOOD), ""),
    "two-megabytes": (b'{"x": "' + b"a" * 2_000_000 + b'"}', headers_of(GOOD), "body"),
}


@pytest.mark.parametrize("name", POISON)
async def test_poison_is_set_aside_with_a_reason_and_what_follows_is_taken(
    surroundings: Surroundings, name: str
) -> None:
    body, headers, path = POISON[name]
    noting = Noting()
    async with kit(surroundings) as parts, publisher(surroundings) as producer:
        await publish(producer, surroundings, [posted(1)])
        await send_raw(producer, surroundings, body, headers)
        await publish(producer, surroundings, [posted(2)])
        async with parts.consuming(chat_consumer(noting)):
            await until(lambda: _has(noting, "m2"))
            (letter,) = await until(lambda: records(surroundings, "chat.events.dialog-svc.dlt"))
    notes = dict(letter.headers)
    assert noting.taken == ["m1", "m2"]
    assert notes["dlt_reason"]
    assert notes["dlt_path"].decode().startswith(path)
    if name == "two-megabytes":
        stored = surroundings.objects / notes["dlt_body_uri"].decode()
        assert letter.value is None
        assert len(gzip.compress(stored.read_bytes())) < len(body or b"") == stored.stat().st_size
    else:
        assert letter.value == body


async def test_a_dead_letter_takes_effect_once_when_it_is_replayed_after_the_fix(
    surroundings: Surroundings,
) -> None:
    async def buggy(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
        raise KeyError("a bug of ours")

    fixed = Noting()
    letters = f"{surroundings.topic_prefix}chat.events.dialog-svc.dlt"
    async with kit(surroundings) as parts, publisher(surroundings) as producer:
        await publish(producer, surroundings, [posted(1), posted(2)])
        async with parts.consuming(chat_consumer(buggy)):
            await until(lambda: _count(surroundings, 2))
        async with parts.consuming(chat_consumer(fixed)):
            for _ in range(2):
                await replay(
                    surroundings.kafka_bootstrap,
                    [letters],
                    surroundings.topic_prefix,
                    ObjectStore(surroundings.objects.as_uri()),
                    again=True,
                )
            await publish(producer, surroundings, [posted(3)])
            await until(lambda: _has(fixed, "m3"))
            await until(lambda: _has(fixed, "m2"))
    assert sorted(fixed.taken) == ["m1", "m2", "m3"]


async def _count(surroundings: Surroundings, wanted: int) -> bool:
    return len(await records(surroundings, "chat.events.dialog-svc.dlt")) == wanted


async def test_a_bad_header_that_nobody_reads_costs_nothing(surroundings: Surroundings) -> None:
    noting, event = Noting(), posted(1)
    async with kit(surroundings) as parts, publisher(surroundings) as producer:
        await send_raw(
            producer, surroundings, event.body(), [*headers_of(event), ("x", b"\xff"), ("y", None)]
        )
        await publish(producer, surroundings, [posted(2)])
        async with parts.consuming(chat_consumer(noting)):
            await until(lambda: _has(noting, "m2"))
    assert noting.taken == ["m1", "m2"]


@pytest.mark.parametrize("topics", [1], indirect=True)
async def test_a_long_batch_is_not_run_by_a_second_member_meanwhile(surroundings: Surroundings) -> None:
    runs: list[str] = []
    began = asyncio.Event()

    def slow(member: str) -> Any:
        async def fold(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
            runs.append(member)
            began.set()
            await asyncio.sleep(7)

        # without the inbox, whose rows would hold the second member back
        return Consumer("chat.events", CHAT, fold, idempotent=CHAT)

    async with (
        kit(surroundings, session_timeout=2.0) as first,
        kit(surroundings, session_timeout=2.0) as second,
        publisher(surroundings) as producer,
    ):
        await publish(producer, surroundings, [posted(1)])
        async with first.consuming(slow("first")):
            await asyncio.wait_for(began.wait(), 30)
            async with second.consuming(slow("second")):
                await asyncio.sleep(8)
    assert len(runs) == 1, runs


async def _true(value: bool) -> bool:  # noqa: FBT001
    return value


async def _equal(noting: Noting, expected: list[str]) -> bool:
    return noting.taken == expected


async def _has(noting: Noting, name: str) -> bool:
    return name in noting.taken
