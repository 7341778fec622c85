"""SQL about silence: the partitions' clocks, agents' patience, dialogs that nobody continued."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from chassis.database import Connection
from dialog_svc.outbound.dialog_store import Slot

LONGEST_SILENCE = 3_153_600_000
"""A century in seconds: whoever says more means never, and an interval could not hold it."""


async def note_clocks(connection: Connection, newest: Mapping[int, object]) -> None:
    """Note the newest time taken from each partition; one that lies ahead counts as now."""
    partitions = sorted(newest)
    await connection.execute(
        """
        INSERT INTO clocks AS c (partition, newest)
        SELECT u.partition, least(u.newest, clock_timestamp())
        FROM unnest($1::int[], $2::timestamptz[]) AS u (partition, newest)
        ON CONFLICT (partition) DO UPDATE SET newest = greatest(c.newest, excluded.newest)
        """,
        partitions,
        [newest[partition] for partition in partitions],
    )


async def upsert_agent(
    connection: Connection, tenant: str, agent_id: str, version: int, idle_seconds: int
) -> None:
    """Keep what the newest version of an agent says."""
    await connection.execute(
        """
        INSERT INTO agents AS a (tenant_id, agent_id, version, idle_seconds) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, agent_id)
        DO UPDATE SET version = excluded.version, idle_seconds = excluded.idle_seconds
        WHERE a.version < excluded.version
        """,
        tenant,
        agent_id,
        version,
        idle_seconds,
    )


async def lock_silent(
    connection: Connection, idle_seconds: int, limit: int, but: Collection[Slot] = ()
) -> list[Slot]:
    """Lock up to `limit` open dialogs that are silent, all `but` these, and return them sorted.

    Silent: between a dialog's newest message and the newest event taken from its partition lies more
    than the agent's `idle_seconds`; `idle_seconds` here is for agents that are not known yet. One that
    is being written to is left out, it isn't silent.
    """
    rows = await connection.fetch(
        """
        SELECT d.tenant_id, d.dialog_id
        FROM listings l
        JOIN clocks c ON c.partition = l.partition
        LEFT JOIN agents a ON a.tenant_id = l.tenant_id AND a.agent_id = l.agent_id
        JOIN dialogs d ON d.tenant_id = l.tenant_id AND d.dialog_id = l.dialog_id
            AND d.partition = l.partition AND d.agent_id = l.agent_id
        WHERE l.open AND d.ended_at IS NULL AND d.leaf_id IS NOT NULL
          -- by the listing, which may be behind: finds the few to look at
          AND l.heard_at < (SELECT max(newest) FROM clocks)
              - make_interval(secs => (SELECT least(min(idle_seconds), $1, $5) FROM agents))
          AND l.heard_at < c.newest - make_interval(secs => least(coalesce(a.idle_seconds, $1), $5))
          -- by the dialog itself, under its lock
          AND d.heard_at < c.newest - make_interval(secs => least(coalesce(a.idle_seconds, $1), $5))
          AND NOT EXISTS (
              SELECT FROM unnest($3::text[], $4::text[]) AS x (tenant_id, dialog_id)
              WHERE x.tenant_id = d.tenant_id AND x.dialog_id = d.dialog_id
          )
        LIMIT $2
        FOR UPDATE OF d SKIP LOCKED
        """,
        idle_seconds,
        limit,
        [slot[0] for slot in but],
        [slot[1] for slot in but],
        LONGEST_SILENCE,
    )
    return sorted((row["tenant_id"], row["dialog_id"]) for row in rows)
