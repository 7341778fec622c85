"""The handler loop: a batch, one transaction, then the offsets; one record at a time after a bad one.

Promise: an event takes effect once, a key's events keep their order, bad input neither blocks nor
vanishes. Handlers see typed events and a transaction; they know nothing of batches and offsets.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, KafkaError

from chassis import observability as seen
from chassis.database import Database, Transaction
from chassis.dead_letters import DeadLetters
from chassis.envelope import AnyReceived, BadRecordError, decode
from chassis.errors import Transient, describe, is_transient, where
from chassis.health import Health
from chassis.inbox import newer_only, take_new
from chassis.kafka import group_consumer
from chassis.settings import Settings
from contracts.event import Event
from contracts.topics import TOPICS

Handler = Callable[[Any, Transaction], Awaitable[None]]
Handlers = Mapping[type[Event], Handler]
Fold = Callable[[Sequence[AnyReceived], Transaction], Awaitable[None]]
REVOKE_WAIT = 45.0
MAX_BACKOFF = 10.0


def dispatch(handlers: Handlers) -> Fold:
    """Return a fold that hands each event to the handler of its type, in order."""

    async def fold(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
        for received in batch:
            await handlers[type(received.event)](received, transaction)

    return fold


@dataclass(frozen=True, slots=True)
class Consumer:
    """What a service does with one topic.

    `fold` gets the new events of a batch in partition order. `idempotent` types skip the inbox
    because their effect is keyed by their own id; `state` topics ignore sequences already passed.
    """

    topic: str
    events: frozenset[type[Event]]
    fold: Fold
    idempotent: frozenset[type[Event]] = frozenset()

    @classmethod
    def of(cls, topic: str, handlers: Handlers) -> Consumer:
        """Return a consumer from a table of event type → handler."""
        return cls(topic, frozenset(handlers), dispatch(handlers))

    @property
    def is_state(self) -> bool:
        """Whether the topic holds states, of which only the newest matters."""
        return TOPICS[self.topic].compacted


@dataclass(slots=True)
class _Batch:
    """The records at hand, and how far each partition has been settled."""

    records: list[ConsumerRecord]
    good: list[AnyReceived] = field(default_factory=list)
    bad: list[tuple[ConsumerRecord, BadRecordError]] = field(default_factory=list)
    done: dict[TopicPartition, int] = field(default_factory=dict)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Lets a running batch finish before its partitions go to another member."""

    def __init__(self, busy: asyncio.Lock) -> None:
        self._busy = busy

    async def on_partitions_revoked(self, revoked: object) -> None:  # noqa: ARG002
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._busy.acquire(), REVOKE_WAIT)
            self._busy.release()

    async def on_partitions_assigned(self, assigned: object) -> None:  # noqa: ARG002
        return


class ConsumerLoop:
    """Runs one Consumer against Kafka and Postgres until stopped."""

    def __init__(
        self, settings: Settings, database: Database, health: Health, letters: DeadLetters, consumer: Consumer
    ) -> None:
        self._settings = settings
        self._database = database
        self._health = health
        self._letters = letters
        self._spec = consumer
        self._name = f"consume-{consumer.topic}"
        self._stopping = asyncio.Event()
        self._busy = asyncio.Lock()
        self._backoff = 0.0

    def stop(self) -> None:
        """Finish the batch at hand, commit it and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until stopped. A lost broker is waited for; anything unforeseen ends the loop."""
        self._health.beat(self._name)
        while not self._stopping.is_set():
            kafka = group_consumer(self._settings, self._spec.topic, _Listener(self._busy))
            try:
                if await self._start(kafka):
                    await self._consume(kafka)
            except KafkaError as error:
                seen.log().warning("consumer_restarts", topic=self._spec.topic, error=describe(error))
                await self._wait(1.0)
            finally:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(kafka.stop(), 10)
        self._health.forget(self._name)

    async def _start(self, kafka: AIOKafkaConsumer) -> bool:
        """Join the group, beating meanwhile; False when stopped before that."""
        joining = asyncio.create_task(kafka.start())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            while not joining.done() and not stopping.done():
                self._health.beat(self._name)
                await asyncio.wait({joining, stopping}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            if joining.done():
                await joining
                return True
            return False
        finally:
            stopping.cancel()
            if not joining.done():
                joining.cancel()
                await asyncio.gather(joining, return_exceptions=True)

    async def _consume(self, kafka: AIOKafkaConsumer) -> None:
        while not self._stopping.is_set():
            self._health.beat(self._name)
            found = await kafka.getmany(timeout_ms=500, max_records=self._settings.batch_records)
            if not found:
                continue
            async with self._busy:
                await self._settle(kafka, found)
            if self._backoff:
                await self._wait(self._backoff)

    async def _settle(
        self, kafka: AIOKafkaConsumer, found: dict[TopicPartition, list[ConsumerRecord]]
    ) -> None:
        """Give the records their effect and commit the offsets, or seek back and back off."""
        batch = _Batch([record for records in found.values() for record in records])
        first = {place: records[0].offset for place, records in found.items()}
        try:
            async with asyncio.timeout(self._settings.batch_deadline):
                await self._handle(batch)
            await kafka.commit({place: records[-1].offset + 1 for place, records in found.items()})
            self._backoff = 0.0
            self._measure(kafka, found)
        except BaseException as error:
            cancelled = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and cancelled and cancelled.cancelling():
                raise
            if not (is_transient(error) or isinstance(error, asyncio.CancelledError)):
                raise
            self._nack(kafka, first | batch.done, error)

    def _nack(self, kafka: AIOKafkaConsumer, places: dict[TopicPartition, int], error: BaseException) -> None:
        seen.retries.labels(self._spec.topic).inc()
        self._backoff = min(max(self._backoff * 2, 0.1), MAX_BACKOFF)
        seen.log().warning(
            "batch_retry",
            topic=self._spec.topic,
            error=describe(error),
            at=where(error),
            seconds=self._backoff,
        )
        for place, offset in places.items():
            # a partition that went to another member meanwhile is that member's now
            with contextlib.suppress(IllegalStateError, AssertionError):
                kafka.seek(place, offset)

    async def _handle(self, batch: _Batch) -> None:
        self._decode(batch)
        with (
            seen.batch_span(f"{self._spec.topic} process", [one.traceparent for one in batch.good]),
            seen.batch_seconds.labels(self._spec.topic).time(),
        ):
            try:
                await self._apply(batch.good)
            except Exception as error:
                if is_transient(error):
                    raise
                await self._one_at_a_time(batch)
                return
        for received in batch.good:
            self._letters.settled(received.tenant)
        for record, reason in batch.bad:
            await self._set_aside(record, reason)

    def _decode(self, batch: _Batch) -> None:
        for record in batch.records:
            try:
                received = decode(record, self._settings.max_body)
            except BadRecordError as error:
                batch.bad.append((record, error))
                continue
            if type(received.event) in self._spec.events:
                batch.good.append(received)

    async def _apply(self, events: Sequence[AnyReceived]) -> None:
        """Give the events their effect, all or none."""
        if not events:
            return
        async with self._database.transaction() as transaction:
            guarded = [one for one in events if type(one.event) not in self._spec.idempotent]
            fresh = await take_new(transaction.connection, self._settings.service, guarded)
            if self._spec.is_state:
                fresh = await newer_only(transaction.connection, fresh)
            chosen = set(map(id, fresh))
            todo = [one for one in events if type(one.event) in self._spec.idempotent or id(one) in chosen]
            if todo:
                try:
                    await self._spec.fold(todo, transaction)
                except asyncio.CancelledError as error:
                    task = asyncio.current_task()
                    if task is not None and task.cancelling():
                        raise
                    # one leaking out of a handler would kill the loop while the process stays up
                    raise Transient("a handler was cancelled from inside") from error
        if todo:
            # of a batch, the event that waited longest speaks for all
            oldest = datetime.now(UTC) - min(one.time for one in todo)
            seen.hop_seconds.labels(self._spec.topic).observe(max(oldest.total_seconds(), 0.0))

    async def _one_at_a_time(self, batch: _Batch) -> None:
        """After a bad record: each record by itself, so that only that one is set aside."""
        reasons = {id(record): error for record, error in batch.bad}
        good = {(one.partition, one.offset): one for one in batch.good}
        for record in batch.records:
            received = good.get((record.partition, record.offset))
            reason: BaseException | None = reasons.get(id(record))
            if received is not None:
                try:
                    await self._apply([received])
                except Exception as error:
                    if is_transient(error):
                        raise
                    reason = error
            if reason is not None:
                await self._set_aside(record, reason)
            else:
                self._letters.settled(received.tenant if received else "")
            batch.done[TopicPartition(record.topic, record.partition)] = record.offset + 1

    async def _set_aside(self, record: ConsumerRecord, reason: BaseException) -> None:
        await self._letters.send(self._spec.topic, record, reason)
        seen.consumed.labels(self._spec.topic, "dead").inc()

    def _measure(self, kafka: AIOKafkaConsumer, found: dict[TopicPartition, list[ConsumerRecord]]) -> None:
        for place, records in found.items():
            seen.consumed.labels(self._spec.topic, "taken").inc(len(records))
            with contextlib.suppress(IllegalStateError, AssertionError):
                behind = (kafka.highwater(place) or 0) - records[-1].offset - 1
                seen.consumer_lag.labels(self._spec.topic, str(place.partition)).set(max(behind, 0))

    async def _wait(self, seconds: float) -> None:
        self._health.beat(self._name)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
