"""What was published and is kept: a topic that is lost is rebuilt from here.

The relay moves an event here in the statement that takes it out of the outbox, so it is always in exactly one
of the two. Topics that delete by time are kept for days; of a compacted topic the newest event of each key
stays, of one that keeps for ever every event. Republishing moves events back, under the ids that they had in
the outbox: they come before all that waits there, in their old order, with their old headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from contracts.topics import DAY_MS, FOR_EVER, TOPICS, message_key

if TYPE_CHECKING:
    from chassis.database import Connection

CHUNK = 5_000
MOVE_DEADLINE = 25.0
"""Seconds; a window may hold 200 MB, and the role's transactions end after 30."""
GOING_BACK = "hashtext(current_schema() || ' events going back')"
"""The lock of whoever moves events back into the outbox: nothing forgotten meanwhile slips through."""
MOVE_LOG = """
    WITH gone AS (DELETE FROM outbox WHERE id = ANY($1) RETURNING tenant_id, topic, key, id, headers, body)
    INSERT INTO published (tenant_id, topic, key, id, headers, body) SELECT * FROM gone
"""
MOVE_LOG_AND_VERSIONS = """
    WITH gone AS (DELETE FROM outbox WHERE id = ANY($1) RETURNING tenant_id, topic, key, id, headers, body),
    versions AS (
        INSERT INTO published_states (tenant_id, topic, key, id, headers, body, sequence, version)
        SELECT g.*, (headers ->> 'ce_sequence')::bigint, (headers ->> 'ce_sequence')::bigint
        FROM gone g WHERE topic = ANY($2)
        ON CONFLICT DO NOTHING
    )
    INSERT INTO published (tenant_id, topic, key, id, headers, body)
    SELECT * FROM gone WHERE topic <> ALL($2)
"""
MOVE_STATES = """
    WITH gone AS (DELETE FROM outbox WHERE id = ANY($1) RETURNING tenant_id, topic, key, id, headers, body)
    INSERT INTO published_states AS s (tenant_id, topic, key, id, headers, body, sequence, version)
    SELECT DISTINCT ON (tenant_id, topic, key) g.*, (headers ->> 'ce_sequence')::bigint, 0
    FROM gone g ORDER BY tenant_id, topic, key, id DESC
    ON CONFLICT (tenant_id, topic, key, version) DO UPDATE SET
        id = excluded.id, headers = excluded.headers, body = excluded.body, sequence = excluded.sequence,
        published_at = excluded.published_at
    WHERE s.sequence < excluded.sequence
"""


def kept_days(service: str, days: float) -> float:
    """Return for how long `service` keeps what it published: `days`, no longer than a topic of it does."""
    limits = [
        topic.retention_ms / DAY_MS
        for topic in TOPICS.values()
        if service in topic.producers and not topic.compacted and topic.retention_ms != FOR_EVER
    ]
    return min([days, *limits])


async def maintain(connection: Connection, service: str, days: float) -> None:
    """Make the coming days' partitions, let go of what is older than `service` keeps."""
    await connection.execute(
        "SELECT maintain_published(make_interval(secs => $1))", kept_days(service, days) * DAY_MS / 1000
    )


async def take_over(connection: Connection, lane: str, service: str, ids: Sequence[int]) -> None:
    """Move published rows out of the outbox of `service`, in one statement; what was withdrawn stays away."""
    every = [
        topic.name
        for topic in TOPICS.values()
        if service in topic.producers and not topic.compacted and topic.retention_ms == FOR_EVER
    ]
    if lane == "compacted":
        await connection.execute(MOVE_STATES, ids, timeout=MOVE_DEADLINE)
    elif every:
        await connection.execute(MOVE_LOG_AND_VERSIONS, ids, every, timeout=MOVE_DEADLINE)
    else:
        await connection.execute(MOVE_LOG, ids, timeout=MOVE_DEADLINE)


async def wait_for_republishing(connection: Connection) -> None:
    """Let nothing go back into the outbox until this transaction ends; what is going back is waited for."""
    await connection.execute(f"SELECT pg_advisory_xact_lock_shared({GOING_BACK})")


async def forget(connection: Connection, topic: str, slots: Sequence[tuple[str, str]]) -> None:
    """Delete what was published of these (tenant, key id)."""
    for table in ("published", "published_states"):
        await connection.execute(
            f"""
            DELETE FROM {table} p USING unnest($2::text[], $3::bytea[]) AS w (tenant_id, key)
            WHERE p.topic = $1 AND p.tenant_id = w.tenant_id AND p.key = w.key
            """,  # noqa: S608 -- two literals
            topic,
            [tenant for tenant, _ in slots],
            [message_key(tenant, key_id) for tenant, key_id in slots],
        )


async def republish(
    connection: Connection, topic: str, *, since: datetime | None = None, tenant: str | None = None
) -> int:
    """Move what was published to `topic` back into the outbox; returns how many events.

    `since` is the moment from which they had been published, `tenant` leaves out the others. Erasures wait,
    and are waited for. A compacted topic's states go back chunk by chunk, each while nobody writes to the
    outbox: none follows a newer one.
    """
    declared = TOPICS[topic]
    if not declared.compacted:
        # one statement: the relay, which takes the lowest ids first, sees all of it or nothing
        table = "published_states" if declared.retention_ms == FOR_EVER else "published"
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({GOING_BACK})")
            moved = await connection.execute(_back(table, "log", "true"), topic, since, tenant)
        return int(moved.rsplit(" ", 1)[-1])
    total, slot = 0, ("", b"")
    while True:
        async with connection.transaction():
            await connection.execute("LOCK TABLE outbox IN SHARE ROW EXCLUSIVE MODE")
            rows = await connection.fetch(
                """
                SELECT tenant_id, key FROM published_states
                WHERE topic = $1 AND (tenant_id, key) > ($2, $3) ORDER BY tenant_id, key LIMIT $4
                """,
                topic,
                *slot,
                CHUNK,
            )
            if not rows:
                return total
            # whose newer state waits already needs no older one
            where = """(p.tenant_id, p.key) > ($4, $5) AND (p.tenant_id, p.key) <= ($6, $7) AND NOT EXISTS (
                SELECT FROM outbox o WHERE (o.tenant_id, o.topic, o.key) = (p.tenant_id, p.topic, p.key))"""
            last = (rows[-1]["tenant_id"], bytes(rows[-1]["key"]))
            moved = await connection.execute(
                _back("published_states", "compacted", where), topic, since, tenant, *slot, *last
            )
            total += int(moved.rsplit(" ", 1)[-1])
            slot = last


def _back(table: str, lane: str, where: str) -> str:
    return f"""
        WITH back AS (
            DELETE FROM {table} p
            WHERE p.topic = $1 AND ($2::timestamptz IS NULL OR p.published_at >= $2)
              AND ($3::text IS NULL OR p.tenant_id = $3) AND {where}
            RETURNING p.id, p.tenant_id, p.topic, p.key, p.headers, p.body
        )
        INSERT INTO outbox (id, tenant_id, lane, topic, key, headers, body) OVERRIDING SYSTEM VALUE
        SELECT id, tenant_id, '{lane}', topic, key, headers, body FROM back ORDER BY id
    """  # noqa: S608 -- literals of this module
