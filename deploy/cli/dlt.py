"""`./dev dlt list|show|replay`: dead letters, read and sent back to where they came from."""

import argparse
import asyncio
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import obstore
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, OffsetAndMetadata, TopicPartition
from aiokafka.errors import KafkaError
from obstore.store import LocalStore

from contracts.topics import dead_letter_topics
from deploy.cli.broker import bootstrap_of, trouble
from deploy.cli.tables import table
from deploy.stack.settings import StackSettings
from deploy.stack.state import State
from deploy.stack.topics import end_offsets, partitions_of

NOTES = "dlt_"
GROUP = "dead-letter-replay"


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

    async def body(self, objects: Path) -> bytes | None:
        """The original body; a large one is fetched from object storage. Raises LostBodyError."""
        uri = self.notes.get("dlt_body_uri")
        if not uri:
            return self.value
        try:
            body = bytes(await (await obstore.get_async(LocalStore(objects), uri)).bytes_async())
        except FileNotFoundError:
            raise LostBodyError(f"{uri} is not in {objects}") from None
        if hashlib.sha256(body).hexdigest() != self.notes.get("dlt_body_sha256"):
            raise LostBodyError(f"{uri} is not what was stored")
        return body


def run(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """List, show or replay."""
    prefix = os.environ.get("MORTARBOARD_TOPIC_PREFIX", "")
    names = [prefix + name for name in chosen(arguments.topic)]
    if not names:
        print(f"no dead-letter topic belongs to {arguments.topic}: ./dev dlt list", file=sys.stderr)
        return 2
    bootstrap = bootstrap_of(settings)
    state = State.read(settings.state_file)
    objects = Path(state.data if state else settings.data) / "objects"
    try:
        if arguments.action == "list":
            return asyncio.run(show_counts(bootstrap, names))
        if arguments.action == "show":
            return asyncio.run(show(bootstrap, names))
        count = asyncio.run(replay(bootstrap, names, prefix, objects, again=arguments.again))
    except KafkaError as error:
        return trouble(settings, error)
    except LostBodyError as error:
        print(f"./dev: {error}; nothing after it was replayed", file=sys.stderr)
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


async def show_counts(bootstrap: str, names: Sequence[str]) -> int:
    """Print how many letters each topic holds and how many of them were not replayed yet."""
    async with reader(bootstrap, names) as (consumer, ends):
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


async def show(bootstrap: str, names: Sequence[str]) -> int:
    """Print a JSON line a letter: where it came from and why; never its text."""
    async with reader(bootstrap, names) as (consumer, ends):
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


async def replay(bootstrap: str, names: Sequence[str], prefix: str, objects: Path, *, again: bool) -> int:
    """Send the original records back to their topics, in order; remember how far, return how many."""
    count = 0
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_request_size=8 * 2**20
    )
    async with reader(bootstrap, names) as (consumer, ends), producer:
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
    bootstrap: str, names: Sequence[str]
) -> AsyncIterator[tuple[AIOKafkaConsumer, dict[TopicPartition, int]]]:
    """A consumer of all partitions that exist, with where they end now."""
    places = [place for those in (await partitions_of(bootstrap, names)).values() for place in those]
    ends = await end_offsets(bootstrap, places)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=GROUP, enable_auto_commit=False)
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
