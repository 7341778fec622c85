"""The outbox: events stored with the change that they tell of, numbered per topic and key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chassis import published
from chassis.envelope import new_headers
from chassis.errors import Permanent
from chassis.observability import current_traceparent
from contracts.event import Event
from contracts.topics import TOPICS, message_key

if TYPE_CHECKING:
    from chassis.database import Connection

HEADROOM = 8_192


class EventTooLargeError(Permanent):
    """The event does not fit into its topic: large things travel as a URI."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event on its way into the outbox."""

    tenant: str
    topic: str
    key: bytes
    lane: str
    headers: dict[str, str]
    body: bytes


def prepare(event: Event, *, tenant: str, source: str) -> Outgoing:
    """Return `event` ready to store; raises EventTooLargeError before the broker could refuse it."""
    topic = TOPICS[event.TOPIC]
    body = event.body()
    # a broker-side refusal makes an idempotent producer unusable, so the size is checked here
    if len(body) + HEADROOM > min(topic.max_message_bytes, 1_048_576):
        raise EventTooLargeError(f"{event.TYPE} has {len(body)} bytes")
    return Outgoing(
        tenant=tenant,
        topic=event.TOPIC,
        key=message_key(tenant, event.key()),
        lane="compacted" if topic.compacted else "log",
        headers=new_headers(event, tenant=tenant, source=source, traceparent=current_traceparent()),
        body=body,
    )


async def store(connection: Connection, events: Sequence[Outgoing]) -> None:
    """Number the events per topic and key, taking each key's lock, and store them in order."""
    next_sequence = await _take_sequences(connection, events)
    tenants, topics, keys, lanes, headers, bodies = [], [], [], [], [], []
    for event in events:
        slot = (event.tenant, event.topic, event.key)
        tenants.append(event.tenant)
        topics.append(event.topic)
        keys.append(event.key)
        lanes.append(event.lane)
        headers.append({**event.headers, "ce_sequence": str(next_sequence[slot])})
        bodies.append(event.body)
        next_sequence[slot] += 1
    await connection.execute(
        """
        INSERT INTO outbox (tenant_id, lane, topic, key, headers, body)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::jsonb[], $6::bytea[])
        """,
        tenants,
        lanes,
        topics,
        keys,
        headers,
        bodies,
    )


async def _take_sequences(
    connection: Connection, events: Sequence[Outgoing]
) -> dict[tuple[str, str, bytes], int]:
    """Return the first free sequence per (tenant, topic, key); sorted keys cannot deadlock."""
    counts = Counter((event.tenant, event.topic, event.key) for event in events)
    slots = sorted(counts)
    rows = await connection.fetch(
        """
        INSERT INTO outbox_keys AS k (tenant_id, topic, key, last_sequence)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[])
        ON CONFLICT (tenant_id, topic, key)
        DO UPDATE SET last_sequence = k.last_sequence + excluded.last_sequence
        RETURNING tenant_id, topic, key, last_sequence
        """,
        [slot[0] for slot in slots],
        [slot[1] for slot in slots],
        [slot[2] for slot in slots],
        [counts[slot] for slot in slots],
    )
    taken = {(row["tenant_id"], row["topic"], bytes(row["key"])): row["last_sequence"] for row in rows}
    return {slot: taken[slot] - counts[slot] + 1 for slot in slots}


async def withdraw(connection: Connection, topic: str, slots: Sequence[tuple[str, str]]) -> int:
    """Delete what is stored for these (tenant, key id), published or not; returns how many were not yet."""
    await published.wait_for_republishing(connection)
    done = await connection.execute(
        """
        DELETE FROM outbox o USING unnest($2::text[], $3::bytea[]) AS w (tenant_id, key)
        WHERE o.topic = $1 AND o.tenant_id = w.tenant_id AND o.key = w.key
        """,
        topic,
        [tenant for tenant, _ in slots],
        [message_key(tenant, key_id) for tenant, key_id in slots],
    )
    # afterwards, not at the same time: what the relay was just moving there is there now
    await published.forget(connection, topic, slots)
    return int(done.rsplit(" ", 1)[-1])
