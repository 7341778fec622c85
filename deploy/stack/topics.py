"""Creates the topics of `contracts.topics` with their dead letters, and keeps their settings as declared."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from contracts.topics import TOPICS, Topic, dead_letter_topics
from deploy.stack.broker import Broker, reached

ALREADY_THERE, UNKNOWN_TOPIC = 36, 3


class TopicsError(Exception):
    """The broker refused to create, change or delete a topic."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """A declared topic as the broker has it; partitions 0 when it doesn't exist."""

    topic: Topic
    partitions: int
    records: int
    """Sum of the end offsets."""


def declared() -> list[Topic]:
    """All topics, those of dead letters last."""
    return [*TOPICS.values(), *dead_letter_topics().values()]


@asynccontextmanager
async def admin(broker: Broker) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client."""
    client = AIOKafkaAdminClient(**reached(broker))
    try:
        await client.start()
        yield client
    finally:
        await client.close()


async def create_topics(broker: Broker, prefix: str = "", partitions: int | None = None) -> list[str]:
    """Create what is missing, set the declared configuration on what is there; return the full names.

    `partitions` limits the number for tests. Existing topics keep theirs: another number would move keys.
    """
    new = [
        NewTopic(
            prefix + topic.name,
            min(topic.partitions, partitions or topic.partitions),
            1,
            topic_configs=topic.config(),
        )
        for topic in declared()
    ]
    async with admin(broker) as client:
        answer = (await client.create_topics(new, timeout_ms=30_000)).to_object()
        codes = {entry["topic"]: entry["error_code"] for entry in answer["topic_errors"]}
        _refuse_errors("create", codes, allowed=ALREADY_THERE)
        if existing := [topic for topic in new if codes[topic.name] == ALREADY_THERE]:
            resources = [
                ConfigResource(ConfigResourceType.TOPIC, one.name, one.topic_configs) for one in existing
            ]
            for response in await client.alter_configs(resources):
                _refuse_errors("change", {entry[3]: entry[0] for entry in response.resources})
        names = [topic.name for topic in new]
        while not set(names) <= set(await client.list_topics()):  # noqa: ASYNC110 -- the broker's view
            await asyncio.sleep(0.02)  # created, but the broker's own view follows a moment later
    return names


async def delete_topics(broker: Broker, names: Iterable[str]) -> None:
    """Delete topics by their full names."""
    async with admin(broker) as client:
        response = await client.delete_topics(list(names), timeout_ms=30_000)
        _refuse_errors("delete", dict(response.topic_error_codes), allowed=UNKNOWN_TOPIC)


async def describe(broker: Broker, prefix: str = "") -> list[TopicState]:
    """What the broker has of each declared topic."""
    places = await partitions_of(broker, [prefix + topic.name for topic in declared()])
    ends = await end_offsets(broker, [place for those in places.values() for place in those])
    return [
        TopicState(topic, len(those), sum(ends[place] for place in those))
        for topic in declared()
        for those in [places.get(prefix + topic.name, [])]
    ]


async def partitions_of(broker: Broker, names: Iterable[str]) -> dict[str, list[TopicPartition]]:
    """The partitions of those topics that exist."""
    async with admin(broker) as client:
        there = set(await client.list_topics())
        found = await client.describe_topics([name for name in names if name in there] or [""])
    return {
        one["topic"]: sorted(TopicPartition(one["topic"], part["partition"]) for part in one["partitions"])
        for one in found
        if one["topic"] in there
    }


async def end_offsets(broker: Broker, places: list[TopicPartition]) -> dict[TopicPartition, int]:
    """Where each partition ends."""
    if not places:
        return {}
    consumer = AIOKafkaConsumer(**reached(broker))
    await consumer.start()
    try:
        return dict(await consumer.end_offsets(places))
    finally:
        await consumer.stop()


def _refuse_errors(verb: str, codes: dict[str, int], allowed: int = 0) -> None:
    wrong = {name: code for name, code in codes.items() if code not in (0, allowed)}
    if wrong:
        raise TopicsError(f"could not {verb} topics; Kafka's error codes: {wrong}")
