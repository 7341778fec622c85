"""Who may do what on the broker: each principal what the contracts say it reads and writes, and nothing else.

To write to a topic includes idempotent writes (Kafka 2.8 and later), so nobody needs a right to the whole
cluster but mortarboardctl, which makes the topics and gives these rights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from contracts.topics import TOPICS, dead_letter_topics

Resource = Literal["topic", "group", "transactionalId", "cluster"]
Pattern = Literal["literal", "prefix"]

SERVICES = ("dialog-svc", "dataset-svc", "training-svc", "agent-svc", "console-svc")
STRANGERS = ("chat-backend",)
"""Not ours, but known to the contracts."""
OPERATOR = "mortarboardctl"
SCALER = "keda"
"""Looks at how far groups are behind, to run more or fewer consumers; reads no record."""
REPLAY_GROUP = "dead-letter-replay"
CLUSTER = "kafka-cluster"
"""Kafka's name of the one resource of kind cluster."""

READS = ("Describe", "Read")
WRITES = ("Describe", "Write")
MAKES = ("Alter", "AlterConfigs", "Create", "Describe", "DescribeConfigs", "Read", "Write")
RULES = ("Alter", "Describe")
LOOKS = ("Describe",)


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """What a principal may do with one thing, or with all whose names begin alike."""

    resource: Resource
    name: str
    operations: tuple[str, ...]
    """In Kafka's words, sorted."""
    pattern: Pattern = "literal"


def consumer_group(service: str, topic: str) -> str:
    """The group in which a service reads a topic, without any prefix."""
    return f"{service}.{topic}"


def relay_id(service: str, lane: str) -> str:
    """The transactional id of a service's relay, without any prefix."""
    return f"{service}-relay-{lane}"


def access(prefix: str = "") -> dict[str, tuple[Right, ...]]:
    """The rights of every principal, by its name; `prefix` begins topics, groups and transactional ids."""
    ours = {name: tuple(sorted(_rights(name, prefix))) for name in (*SERVICES, *STRANGERS)}
    return ours | {
        OPERATOR: tuple(sorted(_operators(prefix))),
        SCALER: tuple(sorted(_scalers(prefix))),
    }


def _rights(name: str, prefix: str) -> Iterator[Right]:
    for topic in TOPICS.values():
        reads = name in topic.consumers or name in topic.readers
        writes = name in topic.producers
        if reads or writes:
            operations = {*(READS if reads else ()), *(WRITES if writes else ())}
            yield Right("topic", prefix + topic.name, tuple(sorted(operations)))
        group = prefix + consumer_group(name, topic.name)
        if name in topic.consumers:
            yield Right("group", group, READS)
        # our readers have no group; a stranger's library may want one for each instance
        elif reads and name in STRANGERS:
            yield Right("group", group, READS, "prefix")
    for letters in dead_letter_topics().values():
        if name in letters.producers:
            yield Right("topic", prefix + letters.name, WRITES)
    if any(name in topic.producers and topic.compacted for topic in TOPICS.values()):
        yield Right("transactionalId", prefix + relay_id(name, "compacted"), WRITES)


def _operators(prefix: str) -> Iterator[Right]:
    """Makes topics and gives rights; reads and replays dead letters; sets groups back after a restore."""
    yield Right("cluster", CLUSTER, RULES)
    yield Right("group", prefix + REPLAY_GROUP, READS)
    for topic in (*TOPICS.values(), *dead_letter_topics().values()):
        yield Right("topic", prefix + topic.name, MAKES)
        for service in topic.consumers:
            yield Right("group", prefix + consumer_group(service, topic.name), READS)


def _scalers(prefix: str) -> Iterator[Right]:
    for topic in TOPICS.values():
        groups = [consumer_group(service, topic.name) for service in topic.consumers if service in SERVICES]
        if groups:
            yield Right("topic", prefix + topic.name, LOOKS)
        for group in groups:
            yield Right("group", prefix + group, LOOKS)
