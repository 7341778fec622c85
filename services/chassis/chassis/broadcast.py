"""Broadcast readers: every instance sees all of a compacted topic, without a group."""

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
from contracts.event import Event


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A compacted topic that every instance reads whole; `apply` must be quick and must not wait."""

    topic: str
    events: frozenset[type[Event]]
    apply: Callable[[AnyReceived], None]


class BroadcastLoop:
    """Reads one compacted topic from its beginning; ready once it reached the end seen at start."""

    def __init__(self, settings: Settings, health: Health, broadcast: Broadcast) -> None:
        self._settings = settings
        self._health = health
        self._spec = broadcast
        self._name = f"broadcast-{broadcast.topic}"
        self._stopping = False
        self._newest: dict[tuple[str, str, str], int] = {}
        health.waits_for(self._name)

    def stop(self) -> None:
        """End after the records at hand."""
        self._stopping = True

    async def run(self) -> None:
        """Read until stopped; a lost broker is waited for."""
        while not self._stopping:
            self._health.beat(self._name)
            kafka = broadcast_consumer(self._settings, self._spec.topic)
            try:
                await asyncio.wait_for(kafka.start(), 30)
                await self._read(kafka)
            except (KafkaError, TimeoutError, OSError) as error:
                seen.log().warning("broadcast_restarts", topic=self._spec.topic, error=describe(error))
                await asyncio.sleep(1.0)
            finally:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(kafka.stop(), 10)
        self._health.forget(self._name)

    async def _read(self, kafka: AIOKafkaConsumer) -> None:
        places = sorted(kafka.assignment())
        ends: dict[object, int] | None = await kafka.end_offsets(places)
        while not self._stopping:
            self._health.beat(self._name)
            found = await kafka.getmany(timeout_ms=500)
            for records in found.values():
                for record in records:
                    self._take(record)
            if ends is not None and all([await kafka.position(place) >= end for place, end in ends.items()]):
                ends = None
                self._health.is_ready(self._name)

    def _take(self, record: object) -> None:
        try:
            received = decode(record, self._settings.max_body)  # type: ignore[arg-type]
        except BadRecordError as error:
            seen.log().warning("broadcast_bad_record", topic=self._spec.topic, reason=error.reason)
            return
        slot = (received.tenant, received.event.TYPE, received.event.key())
        if type(received.event) in self._spec.events and received.sequence > self._newest.get(slot, 0):
            self._newest[slot] = received.sequence
            self._spec.apply(received)
