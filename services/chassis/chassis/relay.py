"""The relay: publishes the outbox in order, one active instance a lane, and moves out what is published.

Two lanes. "log" goes through an idempotent producer. "compacted" sends each window in a Kafka
transaction: a relay that was paused and lost its lock is then fenced by the broker, for otherwise
its old record could end up last and compaction would keep it for good.

Wedged is a relay that publishes nothing for long while rows wait and the broker answers others:
only that does a restart cure. A broker that is away is waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from opentelemetry.trace import SpanKind

from chassis import observability as seen
from chassis import published
from chassis.database import Database, connect
from chassis.envelope import encode_headers
from chassis.errors import LeaseLostError, describe
from chassis.health import Health
from chassis.kafka import SEND_DEADLINE, broker_answers, producer
from chassis.settings import Settings
from contracts.access import relay_id

Lane = Literal["log", "compacted"]
WINDOW = 200
LOCK_TRUST = 3.0  # seconds for which an answer on the lock's connection proves that we hold it
WEDGED_AFTER = 120.0


class Relay:
    """Publishes one lane of this service's outbox while it holds the lane's advisory lock."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        health: Health,
        lane: Lane,
        *,
        wedged_after: float = WEDGED_AFTER,
    ) -> None:
        self._settings = settings
        self._wedged_after = wedged_after
        self._database = database
        self._health = health
        self._lane = lane
        self._name = f"relay-{lane}"
        self._wake = asyncio.Event()
        self._stopped = asyncio.Event()
        self._last_answer = 0.0
        self._last_success = time.monotonic()
        self._answers_since: float | None = None
        self._producer: AIOKafkaProducer | None = None

    def wake(self) -> None:
        """Look into the outbox now instead of at the next poll."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the window at hand and end."""
        self._stopped.set()
        self._wake.set()

    async def run(self) -> None:
        """Publish until stopped; errors are waited out, never fatal."""
        pause = 0.1
        while not self._stopped.is_set():
            try:
                await self._hold_lock_and_publish()
                pause = 0.1
            except (
                OSError,
                TimeoutError,
                KafkaError,
                LeaseLostError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
            ) as error:
                seen.log().warning("relay_interrupted", lane=self._lane, error=describe(error))
                self._health.interrupted(self._name, error)
                pause = min(pause * 2, 2.0)
                self._beat()
                await asyncio.sleep(pause)
            finally:
                seen.lease_held.labels(self._name).set(0)
                await self._drop_producer()
        self._health.forget(self._name)

    def _beat(self) -> None:
        self._health.beat(self._name)

    async def _hold_lock_and_publish(self) -> None:
        connection = await connect(
            self._database.url,
            self._database.schema,
            # a stopped process must not keep the lock: the server ends its idle session
            idle_session_timeout="10s",
            # a move that a crash of PostgreSQL undoes is a window sent once more: nobody waits for its disk
            synchronous_commit="off",
        )
        try:
            while not self._stopped.is_set() and not await self._try_lock(connection):
                self._beat()
                self._last_success = time.monotonic()
                self._measure(())  # another process publishes what this one saw waiting
                await _until_set(self._stopped, 1.0)  # whatever is committed wakes only who publishes it
            if self._stopped.is_set():
                return
            await connection.add_listener(self._database.channel, lambda *_: self._wake.set())
            seen.lease_held.labels(self._name).set(1)
            await self._publish_loop(connection)
        finally:
            with contextlib.suppress(Exception):
                await connection.close(timeout=2)

    async def _try_lock(self, connection: asyncpg.Connection) -> bool:
        number = zlib.crc32(f"{self._settings.topic_prefix}{self._database.schema}/{self._name}".encode())
        return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", number, timeout=5))

    async def _publish_loop(self, connection: asyncpg.Connection) -> None:
        while not self._stopped.is_set():
            self._beat()
            self._wake.clear()
            asked = time.monotonic()
            rows = await connection.fetch(
                "SELECT id, topic, key, headers, body, created_at FROM outbox "
                "WHERE lane = $1 ORDER BY id LIMIT $2",
                self._lane,
                WINDOW,
                timeout=5,
            )
            self._last_answer = asked
            self._measure(rows)
            if rows:
                await self._judge()
                await self._publish(connection, rows)
            self._succeeded()
            if len(rows) < WINDOW:
                # the read at each turn is also the ping that keeps this session and its lock
                await _until_set(self._wake, self._settings.relay_poll)

    def _measure(self, rows: Sequence[asyncpg.Record]) -> None:
        age = (datetime.now(UTC) - rows[0]["created_at"]).total_seconds() if rows else 0.0
        seen.outbox_age.labels(self._lane).set(max(age, 0.0))
        seen.outbox_depth.labels(self._lane).set(len(rows))

    async def _judge(self) -> None:
        """Tell a stuck producer from a lost broker: time without a broker is held against nobody."""
        if time.monotonic() - self._last_success <= self._wedged_after:
            return
        now = time.monotonic()
        if not await broker_answers(self._settings):
            self._succeeded()
        elif self._answers_since is None:
            self._answers_since = now  # it may have come back this very moment
        elif now - self._answers_since > self._wedged_after:
            self._health.wedged(self._name, "rows wait, the broker answers, and none is published")

    def _succeeded(self) -> None:
        self._last_success = time.monotonic()
        self._answers_since = None
        self._health.wedged(self._name)

    async def _publish(self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> None:
        sender = await self._ready_producer()
        if time.monotonic() - self._last_answer > LOCK_TRUST:
            raise LeaseLostError("the lock's connection gave no answer in time; the window is dropped")
        with seen.batch_span(
            f"send {self._lane}",
            SpanKind.PRODUCER,
            [row["headers"].get("traceparent", "") for row in rows],
            seen.messaging("send", ",".join(sorted({row["topic"] for row in rows})), len(rows)),
        ):
            async with asyncio.timeout(SEND_DEADLINE):
                if self._transactional:
                    async with sender.transaction():
                        await self._send(sender, rows)
                else:
                    await self._send(sender, rows)
        ids = [row["id"] for row in rows]
        if self._settings.events_kept_days:
            await published.take_over(connection, self._lane, self._settings.service, ids)
        else:
            await connection.execute("DELETE FROM outbox WHERE id = ANY($1)", ids, timeout=5)
        self._health.reached(self._name)
        for row in rows:
            seen.published.labels(row["topic"]).inc()

    async def _send(self, sender: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> None:
        """Send in order. After any failure the whole window is sent again by a new producer:

        what was already written appears twice, which every consumer withstands; what was not
        never overtakes it, because sending stops at the first refusal.
        """
        futures = [
            await sender.send(
                self._settings.topic(row["topic"]),
                bytes(row["body"]),
                key=bytes(row["key"]),
                headers=encode_headers(row["headers"]),
            )
            for row in rows
        ]
        await asyncio.gather(*futures)

    @property
    def _transactional(self) -> bool:
        return self._lane == "compacted"

    async def _ready_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            fence = self._settings.topic_prefix + relay_id(self._settings.service, self._lane)
            candidate = producer(self._settings, transactional_id=fence if self._transactional else None)
            try:
                await asyncio.wait_for(candidate.start(), SEND_DEADLINE)
            except BaseException:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(candidate.stop(), 2)
                raise
            self._producer = candidate
        return self._producer

    async def _drop_producer(self) -> None:
        """Let the producer go: after a refusal or a fence it could not be used again."""
        dropped, self._producer = self._producer, None
        if dropped is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(dropped.stop(), 5)


async def _until_set(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, for some seconds at most."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
