"""The inbox: what a consumer has taken before, so that a redelivered event has no second effect."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Connection
from chassis.envelope import AnyReceived

Identity = tuple[str, str, str]
Key = tuple[str, str, str]


def identity(received: AnyReceived) -> Identity:
    """Return what makes an event the same event, whenever and wherever it is delivered."""
    return (received.tenant, received.source, received.id)


async def take_new(connection: Connection, consumer: str, batch: Sequence[AnyReceived]) -> list[AnyReceived]:
    """Record the batch and return the events never taken before, in batch order, each once.

    Ids are inserted sorted: two instances that hold the same records during a rebalance
    wait for each other instead of deadlocking.
    """
    if not batch:
        return []
    rows = sorted({(*identity(received), received.time) for received in batch})
    inserted = await connection.fetch(
        """
        INSERT INTO inbox (consumer, tenant_id, source, event_id, event_time)
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[])
        ON CONFLICT DO NOTHING
        RETURNING tenant_id, source, event_id
        """,
        consumer,
        *map(list, zip(*rows, strict=True)),
    )
    return first_of_each(batch, {tuple(row) for row in inserted})


def first_of_each(batch: Sequence[AnyReceived], fresh: set[Identity]) -> list[AnyReceived]:
    """Return the first occurrence of each fresh event: a batch may hold the same event twice."""
    chosen = []
    for received in batch:
        if identity(received) in fresh:
            fresh.discard(identity(received))
            chosen.append(received)
    return chosen


async def newer_only(connection: Connection, batch: Sequence[AnyReceived]) -> list[AnyReceived]:
    """Return the events of state topics whose sequence is above the last one taken for their key."""
    newest: dict[Key, int] = {}
    for received in batch:
        key = _key(received)
        newest[key] = max(newest.get(key, received.sequence), received.sequence)
    rows = sorted((*key, sequence) for key, sequence in newest.items())
    if not rows:
        return []
    found = await connection.fetch(
        """
        INSERT INTO seen_sequences AS s (tenant_id, topic, key, sequence)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
        ON CONFLICT (tenant_id, topic, key)
        DO UPDATE SET sequence = greatest(s.sequence, excluded.sequence)
        RETURNING s.tenant_id, s.topic, s.key, old.sequence AS before
        """,
        *map(list, zip(*rows, strict=True)),
    )
    last = {(row["tenant_id"], row["topic"], row["key"]): row["before"] for row in found}
    return rising(batch, last)


def rising(batch: Sequence[AnyReceived], last: dict[Key, int | None]) -> list[AnyReceived]:
    """Return the events above the `last` sequence of their key, and above those before them in the batch."""
    chosen = []
    for received in batch:
        key = _key(received)
        before = last[key]
        if before is None or received.sequence > before:
            last[key] = received.sequence
            chosen.append(received)
    return chosen


def _key(received: AnyReceived) -> Key:
    return (received.tenant, received.event.TOPIC, f"{received.event.TYPE}/{received.event.key()}")
