"""Broadcast readers, without a group: every instance sees all of a compacted topic, or all from now on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from chassis import observability as seen
from chassis.envelope import AnyReceived, BadRecordError, decode
from chassis.errors import describe
from chassis.health import Health
from chassis.kafka import broadcast_consumer
from chassis.settings import Settings
from chassis.topic_ids import Place
from contracts.event import Event


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A compacted topic that every instance reads whole; `apply` must be quick and must not wait.

    With `from_now` only what comes after the start is read, as often as it comes: nothing is remembered,
    so records that were written twice are applied twice, each with its sequence.
    """

    topic: str
    events: frozenset[type[Event]]
    apply: Callable[[AnyReceived], None]
    from_now: bool = False


class BroadcastLoop:
    """Reads one compacted topic from its beginning or from now; ready at the end that was seen at start."""

    def __init__(self, settings: Settings, health: Health, broadcast: Broadcast) -> None:
        self._settings = settings
        self._health = health
        self._spec = broadcast
        self._name = f"broadcast-{broadcast.topic}"
        self._stopping = False
        self._newest: dict[tuple[str, str, str], int] = {}
        self._places: dict[object, int] = {}
        self._place = Place(settings.topic(broadcast.topic))
        health.waits_for(self._name)

    def stop(self) -> None:
        """End after the records at hand."""
        self._stopping = True

    async def run(self) -> None:
        """Read until stopped; a lost broker is waited for."""
        while not self._stopping:
            self._health.beat(self._name)
            kafka: AIOKafkaConsumer | None = None
            try:
                kafka = broadcast_consumer(self._settings, self._spec.topic)
                await asyncio.wait_for(kafka.start(), 30)
                await self._read(kafka)
            except (KafkaError, TimeoutError, OSError) as error:
                seen.log().warning("broadcast_restarts", topic=self._spec.topic, error=describe(error))
                self._health.interrupted(self._name, error)
                await asyncio.sleep(1.0)
            finally:
                if kafka is not None:
                    with contextlib.suppress(Exception):
                        await asyncio.wait_for(kafka.stop(), 10)
        self._health.forget(self._name)

    async def _read(self, kafka: AIOKafkaConsumer) -> None:
        places = sorted(kafka.assignment())
        before = self._place.id
        await self._place.check(kafka)
        if before and before != self._place.id:
            self._places = dict.fromkeys(self._places, 0)
        ends: dict[object, int] | None = await kafka.end_offsets(places)
        if self._spec.from_now and ends is not None:
            # what comes while the broker is away, or this reader from it, is read afterwards
            self._places = {place: self._places.get(place, end) for place, end in ends.items()}
            for place, offset in self._places.items():
                kafka.seek(place, offset)
        while not self._stopping:
            self._health.beat(self._name)
            await self._place.check(kafka)
            found = await kafka.getmany(timeout_ms=500)
            self._health.reached(self._name)
            for place, records in found.items():
                for record in records:
                    self._take(record)
                self._places[place] = records[-1].offset + 1
            if ends is not None and all([await kafka.position(place) >= end for place, end in ends.items()]):
                ends = None
                self._health.is_ready(self._name)

    def _take(self, record: object) -> None:
        try:
            received = decode(record, self._settings.max_body)  # type: ignore[arg-type]
        except BadRecordError as error:
            seen.log().warning("broadcast_bad_record", topic=self._spec.topic, reason=error.reason)
            return
        if type(received.event) not in self._spec.events:
            return
        slot = (received.tenant, received.event.TYPE, received.event.key())
        if not self._spec.from_now:
            if received.sequence <= self._newest.get(slot, 0):
                return
            self._newest[slot] = received.sequence
        self._spec.apply(received)
