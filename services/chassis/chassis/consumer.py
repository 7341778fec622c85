"""The handler loop: a batch, one transaction, then the offsets; one record at a time after a bad one.

Promise: an event takes effect once, a key's events keep their order, bad input neither blocks nor
vanishes. Handlers see typed events and a transaction; they know nothing of batches and offsets.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from opentelemetry.trace import SpanKind

from chassis import observability as seen
from chassis import tombstones
from chassis.batch import Assignment, Batch
from chassis.database import Database, Transaction
from chassis.dead_letters import DeadLetters, client_of, subject_of
from chassis.envelope import AnyReceived
from chassis.errors import Transient, describe, is_transient, where
from chassis.health import Health
from chassis.inbox import newer_only, take_new
from chassis.kafka import group_consumer
from chassis.settings import Settings
from chassis.topic_ids import Place
from contracts.event import Event
from contracts.topics import TOPICS

Handler = Callable[[Any, Transaction], Awaitable[None]]
Handlers = Mapping[type[Event], Handler]
Fold = Callable[[Sequence[AnyReceived], Transaction], Awaitable[None]]
MAX_BACKOFF = 10.0
DECODE_SLICE = 50


def dispatch(handlers: Handlers) -> Fold:
    """Return a fold that hands each event to the handler of its type, in order."""

    async def fold(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
        for received in batch:
            await handlers[type(received.event)](received, transaction)

    return fold


def began(topic: str, events: Sequence[AnyReceived]) -> datetime:
    """Return since when the first of these waits: when the broker took it, where the topic's records say so.

    Else when it was written. A chat backend's clock may be wrong, and what it says late was not ours to take.
    """
    taken = TOPICS[topic].appended_time
    return min(one.appended if taken else one.time for one in events)


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
        self._group = f"{settings.group}.{consumer.topic}"
        self._settled: dict[TopicPartition, int] = {}
        self._stopping = asyncio.Event()
        self._assignment = Assignment()
        self._place = Place(settings.topic(consumer.topic))
        self._backoff = 0.0
        # begin at 0: Prometheus sees no increase in a counter that begins with its first record
        seen.retries.labels(consumer.topic)
        seen.dead_letters.labels(consumer.topic)
        for result in ("taken", "repeated", "dead", "forgotten"):
            seen.consumed.labels(consumer.topic, result)

    def stop(self) -> None:
        """Finish the batch at hand, commit it and end."""
        self._stopping.set()

    async def run(self) -> None:
        """Consume until stopped. A lost broker or file is waited for; anything unforeseen ends the loop."""
        self._health.beat(self._name)
        while not self._stopping.is_set():
            kafka: AIOKafkaConsumer | None = None
            try:
                kafka = group_consumer(self._settings, self._spec.topic, self._assignment)
                if await self._start(kafka):
                    await self._consume(kafka)
            except (KafkaError, OSError) as error:
                seen.log().warning("consumer_restarts", topic=self._spec.topic, error=describe(error))
                self._health.interrupted(self._name, error)
                await self._wait(1.0)
            finally:
                if kafka is not None:
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
        """Settle batch after batch; behind a full one the next is read and decoded meanwhile."""
        ahead: asyncio.Task[Batch] | None = None
        try:
            while not self._stopping.is_set():
                self._health.beat(self._name)
                batch = await (ahead or self._read(kafka))
                self._health.reached(self._name)
                full = len(batch.records) >= self._settings.batch_records
                ahead = asyncio.create_task(self._read(kafka)) if full else None
                self._measure_lag(kafka, await self._read_to(kafka, batch))
                if batch.records and not await self._settle(kafka, batch):
                    if ahead:
                        self._seek(kafka, await ahead, batch)
                        ahead = None
                    if self._backoff:
                        await self._wait(self._backoff)
        finally:
            if ahead:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)

    async def _read(self, kafka: AIOKafkaConsumer) -> Batch:
        """Read what is there, waiting for it a moment, and decode it."""
        generation = self._assignment.generation
        if not await self._place.check(kafka, generation):
            await asyncio.sleep(0.5)
            return Batch({}, generation)
        topic_id = self._place.id
        found = await kafka.getmany(timeout_ms=500, max_records=self._settings.batch_records)
        batch = Batch(found, generation, topic_id)
        for number, record in enumerate(batch.records, 1):
            batch.take(record, self._spec.events, self._settings.max_body)
            if number % DECODE_SLICE == 0:
                await asyncio.sleep(0)  # the batch before this one waits for the database meanwhile
        return batch

    async def _settle(self, kafka: AIOKafkaConsumer, batch: Batch) -> bool:
        """Give the records their effect and commit the offsets, or seek back; returns whether it did."""
        async with self._assignment.busy:
            if batch.generation != self._assignment.generation:
                # read under an assignment that is gone: read again what is still ours
                self._seek(kafka, batch)
                return False
            try:
                async with asyncio.timeout(self._settings.batch_deadline):
                    await self._handle(batch)
                await kafka.commit(batch.after())
            except BaseException as error:
                cancelled = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and cancelled and cancelled.cancelling():
                    raise
                if not (is_transient(error) or isinstance(error, asyncio.CancelledError)):
                    raise
                self._nack(kafka, batch, error)
                return False
        self._backoff = 0.0
        for records in batch.found.values():
            seen.consumed.labels(self._spec.topic, "taken").inc(len(records))
        self._measure_lag(kafka, {place: found[-1].offset + 1 for place, found in batch.found.items()})
        return True

    def _nack(self, kafka: AIOKafkaConsumer, batch: Batch, error: BaseException) -> None:
        seen.retries.labels(self._spec.topic).inc()
        self._backoff = min(max(self._backoff * 2, 0.1), MAX_BACKOFF)
        seen.log().warning(
            "batch_retry",
            topic=self._spec.topic,
            error=describe(error),
            at=where(error),
            seconds=self._backoff,
        )
        self._seek(kafka, batch)

    def _seek(self, kafka: AIOKafkaConsumer, *batches: Batch) -> None:
        """Go back to what is open in these batches, the last of which counts; not into another topic."""
        places: dict[TopicPartition, int] = {}
        for batch in batches:
            places |= batch.first_open() if batch.topic_id == self._place.id else {}
        for place, offset in places.items():
            # a partition that went to another member meanwhile is that member's now
            with contextlib.suppress(IllegalStateError, AssertionError):
                kafka.seek(place, offset)

    async def _handle(self, batch: Batch) -> None:
        with (
            seen.batch_span(
                f"process {self._spec.topic}",
                SpanKind.CONSUMER,
                [one.traceparent for one in batch.good],
                seen.messaging("process", self._spec.topic, len(batch.records), self._group),
            ),
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

    async def _apply(self, events: Sequence[AnyReceived]) -> None:
        """Give the events their effect, all or none."""
        if not events:
            return
        async with self._database.transaction() as transaction:
            guarded = [one for one in events if type(one.event) not in self._spec.idempotent]
            fresh = await take_new(transaction.connection, self._settings.service, guarded)
            repeated = len(guarded) - len(fresh)
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
        if repeated:
            seen.consumed.labels(self._spec.topic, "repeated").inc(repeated)
        if todo:
            # of a batch, the event that waited longest speaks for all
            oldest = datetime.now(UTC) - began(self._spec.topic, todo)
            seen.hop_seconds.labels(self._spec.topic).observe(max(oldest.total_seconds(), 0.0))

    async def _one_at_a_time(self, batch: Batch) -> None:
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
        if await self._forgotten(record):
            seen.consumed.labels(self._spec.topic, "forgotten").inc()
            return
        await self._letters.send(self._spec.topic, record, reason)
        seen.consumed.labels(self._spec.topic, "dead").inc()

    async def _forgotten(self, record: ConsumerRecord) -> bool:
        """Tell whether a refused record is of something erased: a dead letter would keep its text."""
        topic = TOPICS[self._spec.topic]
        slot, whose = subject_of(topic, record), client_of(topic, record)
        if slot is None and whose is None:
            return False
        async with self._database.transaction() as transaction:
            connection = transaction.connection
            if slot and await tombstones.note_heard(connection, topic.key, [slot]):
                return True
            if whose is None:
                return False
            # nobody knew the dialog: it began before its client was erased, or he came back
            client, said = whose[:2], whose[2]
            stone = (await tombstones.find(connection, "client", [client])).get(client)
            if stone is None or said > stone["requested_at"]:
                return False
            await tombstones.note_heard(connection, "client", [client])
        return True

    async def _read_to(self, kafka: AIOKafkaConsumer, batch: Batch) -> dict[TopicPartition, int]:
        """Return the first offset that is not settled, of each partition that was read.

        Behind the last record lie the marks of its transaction, which only the position passes.
        """
        if batch.records:
            return {place: records[0].offset for place, records in batch.found.items()}
        found = {}
        for place in kafka.assignment():
            with contextlib.suppress(TimeoutError, IllegalStateError, KafkaError):
                async with asyncio.timeout(0.05):  # it is there, or the broker has to be asked
                    found[place] = await kafka.position(place)
        return found

    def _measure_lag(self, kafka: AIOKafkaConsumer, settled: Mapping[TopicPartition, int]) -> None:
        """Say how far each partition is behind, also while its records are refused again and again."""
        self._settled |= settled
        ours = kafka.assignment()
        for place, offset in list(self._settled.items()):
            labels = (self._spec.topic, str(place.partition))
            if place not in ours:
                del self._settled[place]
                with contextlib.suppress(KeyError):
                    seen.consumer_lag.remove(*labels)
                continue
            with contextlib.suppress(IllegalStateError, AssertionError):
                seen.consumer_lag.labels(*labels).set(max((kafka.highwater(place) or 0) - offset, 0))

    async def _wait(self, seconds: float) -> None:
        self._health.beat(self._name)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
