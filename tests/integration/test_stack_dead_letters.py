"""`./dev dlt`: a dead letter goes back as it was."""

import hashlib
import json
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from chassis.objects import ObjectStore
from deploy.ctl.dlt import LostBodyError, replay, show, show_counts
from deploy.stack.services import Surroundings

GROUP = "dialog-svc"
HEADERS = [("ce_id", b"1"), ("ce_tenantid", "ё".encode()), ("raw", b"\xff\xfe"), ("empty", b"")]


def notes(**extra: str) -> list[tuple[str, bytes]]:
    said = {
        "dlt_reason": "not JSON",
        "dlt_original_topic": "chat.events",
        "dlt_original_offset": "7",
        **extra,
    }
    return [(name, value.encode()) for name, value in said.items()]


async def send(surroundings: Surroundings, body: bytes | None, **extra: str) -> str:
    topic = f"{surroundings.topic_prefix}chat.events.{GROUP}.dlt"
    async with AIOKafkaProducer(bootstrap_servers=surroundings.kafka_bootstrap) as producer:
        await producer.send_and_wait(topic, body, key=b"t/d", headers=[*HEADERS, *notes(**extra)])
    return topic


async def arrived(surroundings: Surroundings) -> list[ConsumerRecord]:
    topic = f"{surroundings.topic_prefix}chat.events"
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=surroundings.kafka_bootstrap, auto_offset_reset="earliest"
    )
    async with consumer:
        found = await consumer.getmany(timeout_ms=2000)
    return [record for records in found.values() for record in records]


async def again(surroundings: Surroundings, topic: str, *, all_of_it: bool = False) -> int:
    prefix, objects = surroundings.topic_prefix, ObjectStore(surroundings.objects.as_uri())
    return await replay(surroundings.kafka_bootstrap, [topic], prefix, objects, again=all_of_it)


async def test_a_letter_goes_back_with_key_body_and_headers(surroundings: Surroundings) -> None:
    topic = await send(surroundings, b"{oops")
    assert await again(surroundings, topic) == 1
    (record,) = await arrived(surroundings)
    assert (record.key, record.value, list(record.headers)) == (b"t/d", b"{oops", HEADERS)


async def test_a_null_body_stays_null(surroundings: Surroundings) -> None:
    topic = await send(surroundings, None)
    assert await again(surroundings, topic) == 1
    (record,) = await arrived(surroundings)
    assert record.value is None


async def test_a_replayed_letter_is_replayed_again_only_on_demand(surroundings: Surroundings) -> None:
    topic = await send(surroundings, b"1")
    assert await again(surroundings, topic) == 1
    assert await again(surroundings, topic) == 0
    await send(surroundings, b"2")
    assert await again(surroundings, topic) == 1
    assert await again(surroundings, topic, all_of_it=True) == 2


async def test_a_large_body_comes_from_object_storage(surroundings: Surroundings) -> None:
    body = b"x" * 600_000
    place = surroundings.objects / "dead-letters" / "big"
    place.parent.mkdir()
    place.write_bytes(body)
    sha256 = hashlib.sha256(body).hexdigest()
    topic = await send(surroundings, None, dlt_body_uri="dead-letters/big", dlt_body_sha256=sha256)
    assert await again(surroundings, topic) == 1
    (record,) = await arrived(surroundings)
    assert record.value == body


async def test_a_body_that_was_changed_or_lost_stops_the_replay(surroundings: Surroundings) -> None:
    topic = await send(surroundings, None, dlt_body_uri="dead-letters/none", dlt_body_sha256="0" * 64)
    with pytest.raises(LostBodyError):
        await again(surroundings, topic)
    place = Path(surroundings.objects / "dead-letters" / "none")
    place.parent.mkdir()
    place.write_bytes(b"another")  # noqa: ASYNC240
    with pytest.raises(LostBodyError):
        await again(surroundings, topic)
    assert await arrived(surroundings) == []


async def test_what_is_shown_has_the_reason_and_no_text(
    surroundings: Surroundings, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = await send(surroundings, b"my secret words")
    await show(surroundings.kafka_bootstrap, [topic], surroundings.topic_prefix)
    shown = capsys.readouterr().out
    assert json.loads(shown)["dlt_reason"] == "not JSON"
    assert "secret" not in shown


async def test_the_list_counts_kept_and_waiting(
    surroundings: Surroundings, capsys: pytest.CaptureFixture[str]
) -> None:
    topic = await send(surroundings, b"1")
    await again(surroundings, topic)
    await send(surroundings, b"2")
    await show_counts(surroundings.kafka_bootstrap, [topic], surroundings.topic_prefix)
    assert capsys.readouterr().out.split()[-3:] == [topic, "2", "1"]
