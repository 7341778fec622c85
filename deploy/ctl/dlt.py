"""`dlt list|show|replay`: dead letters, read and sent back to where they came from."""

import argparse
import asyncio
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, OffsetAndMetadata, TopicPartition

from chassis.objects import MissingObjectError, ObjectStore
from contracts.access import REPLAY_GROUP
from contracts.topics import dead_letter_topics
from deploy.ctl.tables import table
from deploy.stack.broker import Broker, reached
from deploy.stack.topics import end_offsets, partitions_of

NOTES = "dlt_"


class LostBodyError(Exception):
    """The body of a large dead letter is not in object storage, or not as it was."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter taken apart: the record as it was, and what its consumer noted."""

    place: TopicPartition
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    notes: dict[str, str]

    @classmethod
    def of(cls, record: ConsumerRecord) -> "Letter":
        """Separate the consumer's notes from the original headers."""
        headers = tuple(record.headers or ())
        notes = {
            name: (value or b"").decode(errors="replace") for name, value in headers if name.startswith(NOTES)
        }
        return cls(
            TopicPartition(record.topic, record.partition),
            record.offset,
            record.key,
            record.value,
            tuple((name, value) for name, value in headers if not name.startswith(NOTES)),
            notes,
        )

    @property
    def topic(self) -> str:
        """The topic it came from, without prefix."""
        return self.notes.get("dlt_original_topic", "")

    async def body(self, objects: ObjectStore) -> bytes | None:
        """The original body; a large one is fetched from object storage. Raises LostBodyError."""
        uri = self.notes.get("dlt_body_uri")
        if not uri:
            return self.value
        try:
            body = await objects.get(uri)
        except MissingObjectError:
            raise LostBodyError(f"{uri} is not in object storage") from None
        if hashlib.sha256(body).hexdigest() != self.notes.get("dlt_body_sha256"):
            raise LostBodyError(f"{uri} is not what was stored")
        return body


def arguments(command: argparse.ArgumentParser) -> None:
    """The arguments."""
    command.add_argument("action", choices=("list", "show", "replay"))
    command.add_argument("topic", nargs="?", help="a dead-letter topic, or a topic for all of its groups")
    command.add_argument("--again", action="store_true", help="replay also what was replayed before")


def run(broker: Broker, prefix: str, objects: ObjectStore, asked: argparse.Namespace) -> int:
    """List, show or replay."""
    names = [prefix + name for name in chosen(asked.topic)]
    if not names:
        print(f"no dead-letter topic belongs to {asked.topic}: dlt list", file=sys.stderr)
        return 2
    try:
        if asked.action == "list":
            return asyncio.run(show_counts(broker, names, prefix))
        if asked.action == "show":
            return asyncio.run(show(broker, names, prefix))
        count = asyncio.run(replay(broker, names, prefix, objects, again=asked.again))
    except LostBodyError as error:
        print(f"{error}; nothing after it was replayed", file=sys.stderr)
        return 1
    print(f"replayed {count} dead letters")
    return 0


def chosen(topic: str | None) -> list[str]:
    """The dead-letter topics meant by a name: itself, those of a topic, or all of them."""
    return [
        name
        for name in dead_letter_topics()
        if topic is None or name == topic or name.startswith(f"{topic}.")
    ]


async def show_counts(broker: Broker, names: Sequence[str], prefix: str = "") -> int:
    """Print how many letters each topic holds and how many of them were not replayed yet."""
    async with reader(broker, names, prefix) as (consumer, ends):
        rows: dict[str, list[int]] = {}
        for place, end in ends.items():
            (first,) = (await consumer.beginning_offsets([place])).values()
            row = rows.setdefault(place.topic, [0, 0])
            row[0] += end - first
            row[1] += end - max(first, await consumer.committed(place) or 0)
    print(
        table(("dead letters", "kept", "not replayed"), [(name, *row) for name, row in sorted(rows.items())])
    )
    return 0


async def show(broker: Broker, names: Sequence[str], prefix: str = "") -> int:
    """Print a JSON line a letter: where it came from and why; never its text."""
    async with reader(broker, names, prefix) as (consumer, ends):
        async for letter in letters(consumer, ends, dict.fromkeys(ends, 0)):
            key = (letter.key or b"").decode(errors="replace")
            headers = {name: shown_value(value) for name, value in letter.headers}
            size = len(letter.value) if letter.value is not None else None
            shown = {"topic": letter.place.topic, "offset": letter.offset, "key": key, "bytes": size}
            print(json.dumps({**shown, **letter.notes, "headers": headers}, ensure_ascii=False))
    return 0


def shown_value(value: bytes | None) -> str | None:
    """A header's value as text; what is not UTF-8 shows as replacement characters."""
    return None if value is None else value.decode(errors="replace")


async def replay(
    broker: Broker, names: Sequence[str], prefix: str, objects: ObjectStore, *, again: bool
) -> int:
    """Send the original records back to their topics, in order; remember how far, return how many."""
    count = 0
    producer = AIOKafkaProducer(
        **reached(broker), acks="all", enable_idempotence=True, max_request_size=8 * 2**20
    )
    async with reader(broker, names, prefix) as (consumer, ends), producer:
        starts = {place: 0 if again else await consumer.committed(place) or 0 for place in ends}
        async for letter in letters(consumer, ends, starts):
            if letter.topic:
                body = await letter.body(objects)
                await producer.send_and_wait(
                    prefix + letter.topic, body, key=letter.key, headers=list(letter.headers)
                )
                count += 1
            await consumer.commit({letter.place: OffsetAndMetadata(letter.offset + 1, "")})
    return count


@asynccontextmanager
async def reader(
    broker: Broker, names: Sequence[str], prefix: str
) -> AsyncIterator[tuple[AIOKafkaConsumer, dict[TopicPartition, int]]]:
    """A consumer of all partitions that exist, with where they end now."""
    places = [place for those in (await partitions_of(broker, names)).values() for place in those]
    ends = await end_offsets(broker, places)
    consumer = AIOKafkaConsumer(**reached(broker), group_id=prefix + REPLAY_GROUP, enable_auto_commit=False)
    consumer.assign(places)
    async with consumer:
        yield consumer, ends


async def letters(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], starts: dict[TopicPartition, int]
) -> AsyncIterator[Letter]:
    """Every letter from the given starts to the given ends, partition by partition."""
    firsts = await consumer.beginning_offsets(list(ends))
    for place, end in ends.items():
        offset = max(starts[place], firsts[place])
        consumer.seek(place, offset)
        while offset < end:
            records = (await consumer.getmany(place, timeout_ms=1000)).get(place, [])
            for record in records:
                if record.offset < end:
                    yield Letter.of(record)
            offset = await consumer.position(place)
