"""The inbox: what a consumer has taken before, so that a redelivered event has no second effect."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Connection
from chassis.envelope import AnyReceived

Identity = tuple[str, str, str]


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
    chosen = []
    for received in batch:
        taken = await connection.fetchval(
            """
            INSERT INTO seen_sequences AS s (tenant_id, topic, key, sequence) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant_id, topic, key) DO UPDATE SET sequence = excluded.sequence
            WHERE s.sequence < excluded.sequence
            RETURNING true
            """,
            received.tenant,
            received.event.TOPIC,
            f"{received.event.TYPE}/{received.event.key()}",
            received.sequence,
        )
        if taken:
            chosen.append(received)
    return chosen
