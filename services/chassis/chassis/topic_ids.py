"""Which topic it is: a topic that was deleted and made again has its old name and a new id.

Offsets of the old one mean nothing in the new one, and would skip what is in it. aiokafka asks for metadata
in a version that does not tell ids, so the question is written here.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from io import BytesIO
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from chassis import observability as seen

NO_ID = UUID(int=0)
LOOK_EVERY, LOOK_DEADLINE = 5.0, 5.0


class _Uuid(AbstractType[UUID]):  # type: ignore[misc]
    """Kafka's uuid: 16 bytes."""

    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequest12(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequest12]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_MetadataRequest12]) -> _MetadataRequest12:
        create, operations = False, False
        return request_struct_class([(NO_ID, self._topic, {})], create, operations, {})


async def topic_id(client: Any, topic: str) -> str:
    """Return the id of a topic by its full name, as text; empty while there is no such topic.

    `client` is an aiokafka client, or a consumer. Also empty of a broker older than 3.1, which tells no ids.
    """
    if isinstance(client, AIOKafkaConsumer):
        client = client._client
    try:
        answer = await client.send(client.get_random_node(), _MetadataRequest(topic))
    except NotImplementedError:
        return ""
    found = [row[2] for row in answer.topics if row[0] == 0 and row[1] == topic]
    return str(found[0]) if found and found[0] != NO_ID else ""


class Place:
    """Where a reader stands belongs to one topic: when that was deleted and made again, it begins anew.

    A group's offsets are committed with the id of the topic that they are of; an offset without one, or where
    the broker tells none, is believed.
    """

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.id = ""
        self._generation = -1
        self._looked = 0.0

    async def check(self, kafka: AIOKafkaConsumer, generation: int = 0) -> bool:
        """Go to the beginning where the offset is of an earlier topic; looks every 5 s and each generation.

        Returns whether reading may go on: not before a new generation's offsets are known to be good.
        """
        if generation == self._generation and time.monotonic() - self._looked < LOOK_EVERY:
            return True
        try:
            async with asyncio.timeout(LOOK_DEADLINE):  # a broker that hangs must not hold up the heartbeat
                found = await topic_id(kafka, self._topic)
                if found:
                    stale = await self._stale(kafka, found, anew=generation != self._generation)
        except (KafkaError, OSError, TimeoutError):
            return generation == self._generation
        self._looked = time.monotonic()
        if found:
            if kafka.partitions_for_topic(self._topic) is None:
                # it was away, and nothing else asks for it again within minutes
                await kafka._client.force_metadata_update()
            for place in stale:
                with contextlib.suppress(IllegalStateError, AssertionError):
                    kafka.seek(place, 0)
            if stale:
                seen.log().warning("topic_made_again", topic=self._topic, partitions=len(stale))
            self.id, self._generation = found, generation
        return True

    async def _stale(self, kafka: AIOKafkaConsumer, found: str, *, anew: bool) -> list[TopicPartition]:
        places = sorted(kafka.assignment())
        if self.id and found != self.id:
            return places
        if not (anew and places and kafka._group_id):
            return []
        committed = await kafka._coordinator.fetch_committed_offsets(places)
        return [place for place, one in committed.items() if one.metadata and one.metadata != found]
