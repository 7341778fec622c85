"""What the handler loop reads at a time, and under which assignment it was read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Container
from dataclasses import dataclass, field

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener

from chassis.envelope import AnyReceived, BadRecordError, decode
from contracts.event import Event

REVOKE_WAIT = 45.0


@dataclass(slots=True)
class Batch:
    """Records that were read together, and how far each partition has been settled."""

    found: dict[TopicPartition, list[ConsumerRecord]]
    generation: int
    topic_id: str = ""
    records: list[ConsumerRecord] = field(init=False)
    good: list[AnyReceived] = field(default_factory=list)
    bad: list[tuple[ConsumerRecord, BadRecordError]] = field(default_factory=list)
    done: dict[TopicPartition, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.records = [record for records in self.found.values() for record in records]

    def take(self, record: ConsumerRecord, events: Container[type[Event]], max_body: int) -> None:
        """Decode one of the records; of the good ones only `events` are kept."""
        try:
            received = decode(record, max_body)
        except BadRecordError as error:
            self.bad.append((record, error))
            return
        if type(received.event) in events:
            self.good.append(received)

    def first_open(self) -> dict[TopicPartition, int]:
        """Return the first offset of each partition that has no effect yet."""
        return {place: records[0].offset for place, records in self.found.items()} | self.done

    def after(self) -> dict[TopicPartition, tuple[int, str]]:
        """Return the offset behind the last record of each partition, with the id of the topic it is of."""
        return {place: (records[-1].offset + 1, self.topic_id) for place, records in self.found.items()}


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Lets a running batch finish before its partitions go to another member.

    `generation` rises when a rebalance begins and when it is over: a batch that was read ahead under an
    older one is not settled.
    """

    def __init__(self) -> None:
        self.busy = asyncio.Lock()
        self.generation = 0

    async def on_partitions_revoked(self, revoked: object) -> None:  # noqa: ARG002
        """Wait for the running batch, at most 45 s."""
        self.generation += 1
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.busy.acquire(), REVOKE_WAIT)
            self.busy.release()

    async def on_partitions_assigned(self, assigned: object) -> None:  # noqa: ARG002
        """Settle nothing that was read between the two; positions are the group's committed ones."""
        self.generation += 1
