"""Dead letters: records that cannot take effect, set aside with the reason, ready to be replayed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter, deque
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

import orjson
from aiokafka import AIOKafkaProducer, ConsumerRecord

from chassis import observability as seen
from chassis.envelope import BadRecordError, read_headers
from chassis.errors import Transient, describe, where
from chassis.kafka import SEND_DEADLINE, producer
from chassis.objects import ObjectStore
from chassis.settings import Settings
from contracts.topics import DAY_MS, Topic, dead_letter_topic, dead_letter_topics

WINDOW = 500
TENANTS = 3
LARGE = 512 * 1024
ORIGINAL = "dlt_original_"


class TooManyDeadLettersError(Transient):
    """Most records of several tenants are refused: the fault is ours, so consuming stops and waits."""


class ShareLimit:
    """Watches the last records: refusing nearly everybody's is a fault of ours, not of the input."""

    def __init__(self, window: int = WINDOW, tenants: int = TENANTS) -> None:
        self._last: deque[str | None] = deque(maxlen=window)
        self._tenants = tenants

    def note(self, tenant: str, *, dead: bool) -> None:
        """Record one settled record."""
        self._last.append(tenant if dead else None)

    def exceeded(self) -> bool:
        """Tell whether more than half of a full window is dead, over at least three tenants."""
        dead = [tenant for tenant in self._last if tenant is not None]
        full = len(self._last) == self._last.maxlen
        return full and len(dead) * 2 > len(self._last) and len(set(dead)) >= self._tenants

    def loud_tenant(self) -> bool:
        """Tell whether a single tenant fills more than half of a full window with dead letters."""
        dead = Counter(tenant for tenant in self._last if tenant is not None)
        full = len(self._last) == self._last.maxlen
        return full and bool(dead) and dead.most_common(1)[0][1] * 2 > len(self._last)


def subject_of(topic: Topic, record: ConsumerRecord) -> tuple[str, str] | None:
    """Return (tenant, id) of what a record with text is about, as far as it can be read at all.

    Where its body or its headers do not say it, its key does.
    """
    if not topic.carries_text or record.value is None:
        return None
    tenant, subject = _tenant_of(record), _read_body(record.value).get(f"{topic.key}_id")
    return (tenant, subject) if tenant and isinstance(subject, str) else _read_key(record.key)


def client_of(topic: Topic, record: ConsumerRecord) -> tuple[str, str, datetime] | None:
    """Return (tenant, client, when) of a message, where it says whose and when it was said."""
    if not topic.carries_text or record.value is None:
        return None
    tenant, body = _tenant_of(record), _read_body(record.value)
    client, message = body.get("client"), body.get("message")
    if not tenant or not isinstance(client, dict) or not isinstance(message, dict):
        return None
    pseudonym, said = client.get("pseudonym"), message.get("at")
    try:
        at = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None
    if not isinstance(pseudonym, str) or at is None or at.tzinfo is None:
        return None
    return tenant, pseudonym, at


def _tenant_of(record: ConsumerRecord) -> str:
    tenant = read_headers(record.headers).get("ce_tenantid", "")
    return "" if "\x00" in tenant else tenant  # no database takes it, and nobody has such a name


def _read_body(value: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(value)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _read_key(key: bytes | None) -> tuple[str, str] | None:
    """Return the tenant and the id that a record's key names."""
    try:
        tenant, subject = map(unquote, (key or b"").decode("ascii").split("/"))
    except ValueError:
        return None
    return (tenant, subject) if tenant and subject and "\x00" not in tenant else None


class DeadLetters:
    """Sends records to `<topic>.<group>.dlt` through a producer of its own."""

    def __init__(self, settings: Settings, objects: ObjectStore) -> None:
        self._settings = settings
        self._objects = objects
        self._limit = ShareLimit()
        self._producer: AIOKafkaProducer | None = None

    def settled(self, tenant: str) -> None:
        """Note a record that took effect."""
        self._limit.note(tenant, dead=False)

    @property
    def _folder(self) -> str:
        return f"dead-letters/{quote(self._settings.group, safe='')}/"

    async def delete_old_bodies(self) -> int:
        """Delete large bodies whose letters the broker has let go of; returns how many."""
        kept = max(one.retention_ms for one in dead_letter_topics().values()) + DAY_MS
        return await self._objects.delete_old(self._folder, datetime.now(UTC) - timedelta(milliseconds=kept))

    async def send(self, topic: str, record: ConsumerRecord, reason: BaseException) -> None:
        """Set `record` aside; raises TooManyDeadLettersError or a Kafka error, then nothing is lost."""
        tenant = read_headers(record.headers).get("ce_tenantid", "")
        if self._limit.exceeded():
            raise TooManyDeadLettersError(f"more than half of the last {WINDOW} records were refused")
        headers, body = await self._letter(topic, record, reason)
        await self._deliver(dead_letter_topic(topic, self._settings.service), record.key, headers, body)
        self._limit.note(tenant, dead=True)
        if self._limit.loud_tenant():
            seen.over_share.inc()
        seen.dead_letters.labels(topic).inc()
        seen.log().error(
            "dead_letter",
            topic=topic,
            partition=record.partition,
            offset=record.offset,
            reason=describe(reason),
            at=where(reason),
        )

    async def _letter(
        self, topic: str, record: ConsumerRecord, reason: BaseException
    ) -> tuple[list[tuple[str, bytes | None]], bytes | None]:
        body = record.value
        headers: list[tuple[str, bytes | None]] = [*(record.headers or ())]
        notes = {
            "dlt_reason": describe(reason)[:500],
            "dlt_path": reason.path if isinstance(reason, BadRecordError) else "",
            f"{ORIGINAL}topic": topic,
            f"{ORIGINAL}partition": str(record.partition),
            f"{ORIGINAL}offset": str(record.offset),
            f"{ORIGINAL}timestamp": str(record.timestamp),
        }
        if body is not None and len(body) > LARGE:
            digest = hashlib.sha256(body).hexdigest()
            key = self._folder + digest
            await self._objects.put(key, body)
            notes |= {"dlt_body_uri": key, "dlt_body_sha256": digest}
            body = None
        return headers + [(name, value.encode()) for name, value in notes.items()], body

    async def _deliver(
        self, topic: str, key: bytes | None, headers: list[tuple[str, bytes | None]], body: bytes | None
    ) -> None:
        try:
            async with asyncio.timeout(SEND_DEADLINE):
                if self._producer is None:
                    self._producer = producer(self._settings)
                    await self._producer.start()
                await self._producer.send_and_wait(
                    self._settings.topic(topic), body, key=key, headers=headers
                )
        except BaseException:
            # after a refusal an idempotent producer cannot be used again
            await self.close()
            raise

    async def close(self) -> None:
        """Let the producer go."""
        dropped, self._producer = self._producer, None
        if dropped is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(dropped.stop(), 5)
