"""Every topic: what it is keyed by, how long it is kept, who writes and who reads it."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

DAY_MS = 24 * 60 * 60 * 1000
MIB = 1024 * 1024
FOR_EVER = -1

Cleanup = Literal["delete", "compact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic as it is created and documented; times in milliseconds, names without any prefix."""

    name: str
    key: str
    partitions: int = 6
    cleanup: Cleanup = "delete"
    retention_ms: int = FOR_EVER
    min_compaction_lag_ms: int = 0
    max_compaction_lag_ms: int = DAY_MS
    carries_text: bool = False
    """Holds what people wrote in dialogs: segments of a day, so that retention means it."""
    appended_time: bool = False
    """Records bear the time at which the broker took them, not the one that their producer says."""
    max_message_bytes: int = 2 * MIB
    owner: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    """Services that read in a consumer group of their own, `{service}.{topic}`."""
    readers: tuple[str, ...] = ()
    """Services whose every instance reads all of it, without a group, and others that may read it."""
    events: tuple[str, ...] = ()

    @property
    def compacted(self) -> bool:
        """Whether only the last record of each key is sure to stay."""
        return self.cleanup == "compact"

    def config(self) -> dict[str, str]:
        """Kafka's own settings of the topic."""
        settings = {"cleanup.policy": self.cleanup, "max.message.bytes": str(self.max_message_bytes)}
        if self.compacted:
            settings |= {
                "min.compaction.lag.ms": str(self.min_compaction_lag_ms),
                "max.compaction.lag.ms": str(self.max_compaction_lag_ms),
                "min.cleanable.dirty.ratio": "0.1",
            }
        else:
            settings["retention.ms"] = str(self.retention_ms)
        if self.carries_text:
            settings["segment.ms"] = str(DAY_MS)
        if self.appended_time:
            settings["message.timestamp.type"] = "LogAppendTime"
        return settings


_ALL = (
    Topic(
        name="chat.events",
        key="dialog",
        partitions=12,
        retention_ms=7 * DAY_MS,
        carries_text=True,
        appended_time=True,
        owner="dialog-svc",
        producers=("chat-backend", "agent-svc"),
        consumers=("dialog-svc",),
        events=("chat.message_posted.v1", "chat.dialog_ended.v1", "chat.dialog_rated.v1"),
    ),
    Topic(
        name="dialog.completed",
        key="dialog",
        partitions=12,
        retention_ms=14 * DAY_MS,
        carries_text=True,
        owner="dialog-svc",
        producers=("dialog-svc",),
        consumers=("dataset-svc", "agent-svc"),
        events=("dialog.completed.v1", "dialog.rated.v1", "dialog.erased.v1"),
    ),
    Topic(
        name="dialog.forgotten",
        key="erasure",
        retention_ms=90 * DAY_MS,
        owner="dialog-svc",
        producers=("dataset-svc", "agent-svc", "training-svc"),
        consumers=("dialog-svc",),
        events=("dialog.forgotten.v1",),
    ),
    Topic(
        name="agent.updated",
        key="agent",
        owner="agent-svc",
        producers=("agent-svc",),
        consumers=("dialog-svc", "dataset-svc", "training-svc"),
        events=("agent.updated.v1",),
    ),
    Topic(
        name="dataset.changed",
        key="dialog",
        cleanup="compact",
        owner="dataset-svc",
        producers=("dataset-svc",),
        consumers=("dialog-svc",),
        readers=("console-svc",),
        events=("dataset.changed.v1",),
    ),
    Topic(
        name="dataset.ready",
        key="agent",
        retention_ms=90 * DAY_MS,
        owner="dataset-svc",
        producers=("dataset-svc",),
        consumers=("training-svc",),
        events=("dataset.ready.v1", "dataset.withdrawn.v1"),
    ),
    Topic(
        name="training.status",
        key="run",
        cleanup="compact",
        min_compaction_lag_ms=DAY_MS,
        owner="training-svc",
        producers=("training-svc",),
        consumers=("agent-svc", "dataset-svc"),
        readers=("console-svc",),
        events=("training.status.v1", "key.refused.v1"),
    ),
    Topic(
        name="model.activated",
        key="agent",
        cleanup="compact",
        owner="training-svc",
        producers=("training-svc",),
        consumers=("agent-svc",),
        events=("model.activated.v1",),
    ),
    Topic(
        name="agent.routed",
        key="agent",
        cleanup="compact",
        owner="agent-svc",
        producers=("agent-svc",),
        consumers=("training-svc", "dataset-svc"),
        readers=("agent-svc", "chat-backend", "console-svc"),
        events=("agent.routed.v1",),
    ),
)

TOPICS: dict[str, Topic] = {topic.name: topic for topic in _ALL}


def message_key(tenant: str, key_id: str) -> bytes:
    """The record key: tenant and id, each percent-encoded, so that no two pairs share a key."""
    return f"{quote(tenant, safe='')}/{quote(key_id, safe='')}".encode()


def dead_letter_topic(topic: str, group: str) -> str:
    """Where a group's dead letters of a topic go."""
    return f"{topic}.{group}.dlt"


def dead_letter_topics() -> dict[str, Topic]:
    """The dead-letter topics of every topic and consumer group, by name."""
    letters = (_dead_letters(topic, group) for topic in _ALL for group in topic.consumers)
    return {topic.name: topic for topic in letters}


def _dead_letters(topic: Topic, group: str) -> Topic:
    return Topic(
        name=dead_letter_topic(topic.name, group),
        key=topic.key,
        partitions=1,
        retention_ms=14 * DAY_MS,
        carries_text=topic.carries_text,
        max_message_bytes=topic.max_message_bytes + MIB,
        owner=group,
        producers=(group,),
        consumers=(),
    )
