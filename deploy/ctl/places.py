"""Where consumer groups stand, and the newest sequence of each key, on the broker."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError, KafkaError

from chassis.envelope import read_headers
from chassis.topic_ids import topic_id
from contracts.access import consumer_group
from contracts.topics import TOPICS

PATIENCE_S = 60.0
Connection = Mapping[str, Any]
"""The arguments of an aiokafka client: where the broker is, and who asks."""


class GroupInUseError(Exception):
    """A group has members: its offsets are theirs."""


def groups() -> dict[str, str]:
    """Every group with its topic, without any prefix."""
    return {
        consumer_group(service, topic.name): topic.name
        for topic in TOPICS.values()
        for service in topic.consumers
    }


async def committed(kafka: Connection, prefix: str = "") -> dict[str, dict[str, Any]]:
    """What each group has settled: `{group: {topic, topic_id, offsets: {partition: offset}}}`, unprefixed."""
    admin = AIOKafkaAdminClient(**kafka)
    await admin.start()
    try:
        found: dict[str, dict[str, Any]] = {}
        for group, topic in groups().items():
            offsets = await _offsets(admin, prefix + group)
            found[group] = {
                "topic": topic,
                "topic_id": await topic_id(admin._client, prefix + topic),
                "offsets": {str(place.partition): one.offset for place, one in sorted(offsets.items())},
            }
        return found
    finally:
        await admin.close()


async def _offsets(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, Any]:
    """What a group has committed; a broker that has only begun to keep groups is waited for."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return dict(await admin.list_consumer_group_offsets(group))
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.5)


async def must_be_idle(kafka: Connection, prefix: str = "") -> None:
    """Raise GroupInUseError when a group still has members after a minute, as a killed one has until then."""
    admin = AIOKafkaAdminClient(**kafka)
    await admin.start()
    try:
        deadline = time.monotonic() + PATIENCE_S
        while busy := await _with_members(admin, [prefix + group for group in groups()]):
            if time.monotonic() > deadline:
                raise GroupInUseError(f"{busy[0]} still has members: stop the services first")
            await asyncio.sleep(0.5)
    finally:
        await admin.close()


async def _with_members(admin: AIOKafkaAdminClient, names: list[str]) -> list[str]:
    try:
        answers = await admin.describe_consumer_groups(names)
    except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
        return names  # a broker that has only begun to keep groups: not known yet
    return [name for one in answers for _, name, _, _, _, members, *_ in one.groups if members]


async def set_back(kafka: Connection, places: Mapping[str, Mapping[str, Any]], prefix: str = "") -> None:
    """Let each group read again from where it stood; from the beginning where it had settled nothing.

    That is also where a group begins of which the places know nothing: it came with a later version. Raises
    GroupInUseError for a group that still has members after a minute.
    """
    nothing: Mapping[str, Any] = {"offsets": {}, "topic_id": ""}
    await asyncio.gather(
        *(
            _set_back(kafka, prefix + group, prefix + topic, places.get(group, nothing))
            for group, topic in groups().items()
        )
    )


async def _set_back(kafka: Connection, group: str, topic: str, place: Mapping[str, Any]) -> None:
    consumer = AIOKafkaConsumer(**kafka, group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        await consumer._client.set_topics([topic])
        partitions = consumer.partitions_for_topic(topic) or set()
        if not partitions:
            return
        offsets = {
            TopicPartition(topic, number): (place["offsets"].get(str(number), 0), place["topic_id"])
            for number in sorted(partitions)
        }
        consumer.assign(list(offsets))
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                await consumer.commit(offsets)
                return
            except KafkaError as error:
                if time.monotonic() > deadline:
                    raise GroupInUseError(f"{group} still has members: stop the services first") from error
                await asyncio.sleep(0.5)  # a member that was killed is one until its session ends
    finally:
        await consumer.stop()


async def is_the_same(kafka: Connection, topic: str, was: str) -> bool:
    """Whether a topic (full name) has the id that it had; of a broker that told none it is believed."""
    admin = AIOKafkaAdminClient(**kafka)
    await admin.start()
    try:
        found = await topic_id(admin._client, topic)
    finally:
        await admin.close()
    return not was or found == was


async def newest_sequences(kafka: Connection, topic: str) -> dict[tuple[str, bytes], int]:
    """The highest sequence of each (tenant, key) that a topic holds, by its full name."""
    newest: dict[tuple[str, bytes], int] = {}
    async for record in read(kafka, topic):
        headers = read_headers(record.headers)
        sequence, slot = headers.get("ce_sequence", ""), (headers.get("ce_tenantid", ""), record.key)
        if sequence.isascii() and sequence.isdigit() and slot[0] and slot[1]:
            newest[slot] = max(newest.get(slot, 0), int(sequence))
    return newest


async def read(
    kafka: Connection, topic: str, since: Mapping[str, int] | None = None
) -> AsyncIterator[ConsumerRecord]:
    """Everything that is in a topic now, of each partition from an offset on, else from the beginning."""
    consumer = AIOKafkaConsumer(**kafka, isolation_level="read_committed", auto_offset_reset="earliest")
    await consumer.start()
    try:
        await consumer._client.set_topics([topic])
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        if not places:
            return
        consumer.assign(places)
        for place in places:
            consumer.seek(place, (since or {}).get(str(place.partition), 0))
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield record
    finally:
        await consumer.stop()
