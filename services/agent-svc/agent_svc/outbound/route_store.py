"""All SQL on routes: what serves each agent, and what was ever said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asyncpg import Record

from agent_svc.domain.routing import RouteDocument
from chassis.database import Connection

Row = Record


@dataclass(frozen=True, slots=True)
class Head:
    """What serves an agent now; version 0 with nothing desired is the base model."""

    route_version: int
    entry: int
    activation_id: str | None
    desired: RouteDocument | None
    effective: RouteDocument | None
    retiring: list[dict[str, str]]
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that was said of a route."""

    route_version: int
    activation_id: str | None
    desired: RouteDocument | None
    effective: RouteDocument | None
    reason: str
    by: str
    why: str | None = None


async def lock_route(connection: Connection, tenant: str, agent_id: str) -> Head:
    """Hold the agent's route until the transaction ends; returns it."""
    row = await connection.fetchrow(
        """
        INSERT INTO route_heads AS h (tenant_id, agent_id) VALUES ($1, $2)
        ON CONFLICT (tenant_id, agent_id) DO UPDATE SET entry = h.entry
        RETURNING route_version, entry, activation_id, desired, effective, retiring, reason
        """,
        tenant,
        agent_id,
    )
    assert row is not None  # noqa: S101 -- an upsert always returns its row
    activation = str(row["activation_id"]) if row["activation_id"] else None
    kept = (row["desired"], row["effective"], row["retiring"], row["reason"])
    return Head(row["route_version"], row["entry"], activation, *kept)


async def current_route(connection: Connection, tenant: str, agent_id: str) -> Row | None:
    """Return the route that serves now, or None when nothing was ever said of it."""
    return await connection.fetchrow(
        "SELECT route_version, activation_id, desired, effective, retiring, reason, by, at FROM route_heads "
        "WHERE tenant_id = $1 AND agent_id = $2",
        tenant,
        agent_id,
    )


async def put_head(connection: Connection, tenant: str, agent_id: str, entry: Entry) -> None:
    """Make `entry` what serves the agent; the caller holds its lock."""
    await connection.execute(
        """
        UPDATE route_heads SET route_version = $3, activation_id = $4, desired = $5, effective = $6,
            reason = $7, by = $8, at = clock_timestamp()
        WHERE tenant_id = $1 AND agent_id = $2
        """,
        tenant,
        agent_id,
        entry.route_version,
        UUID(entry.activation_id) if entry.activation_id else None,
        entry.desired,
        entry.effective,
        entry.reason,
        entry.by,
    )


async def put_retiring(
    connection: Connection, tenant: str, agent_id: str, retiring: list[dict[str, str]]
) -> None:
    """Keep which models of the agent end, and when; the caller holds its lock."""
    await connection.execute(
        "UPDATE route_heads SET retiring = $3 WHERE tenant_id = $1 AND agent_id = $2",
        tenant,
        agent_id,
        retiring,
    )


async def append_entry(connection: Connection, tenant: str, agent_id: str, entry: Entry) -> None:
    """Add to the history of a route; the caller holds its lock."""
    await connection.execute(
        """
        WITH head AS (
            UPDATE route_heads SET entry = entry + 1 WHERE tenant_id = $1 AND agent_id = $2 RETURNING entry
        )
        INSERT INTO route_history (tenant_id, agent_id, entry, route_version, activation_id, desired,
            effective, reason, by, why)
        SELECT $1, $2, head.entry, $3, $4, $5, $6, $7, $8, $9 FROM head
        """,
        tenant,
        agent_id,
        entry.route_version,
        UUID(entry.activation_id) if entry.activation_id else None,
        entry.desired,
        entry.effective,
        entry.reason,
        entry.by,
        entry.why,
    )


async def history(connection: Connection, tenant: str, agent_id: str, before: int, limit: int) -> list[Row]:
    """Return entries below the number `before`, newest first."""
    return await connection.fetch(
        "SELECT * FROM route_history WHERE tenant_id = $1 AND agent_id = $2 AND entry < $3 "
        "ORDER BY entry DESC LIMIT $4",
        tenant,
        agent_id,
        before,
        limit,
    )


async def earlier_routes(connection: Connection, tenant: str, agent_id: str) -> list[RouteDocument | None]:
    """Return what was desired before now, newest first; where all began, None, comes last."""
    rows = await connection.fetch(
        "SELECT desired FROM route_history WHERE tenant_id = $1 AND agent_id = $2 "
        "AND reason IN ('activated', 'rolled_back') ORDER BY route_version DESC LIMIT 100",
        tenant,
        agent_id,
    )
    return [*(row["desired"] for row in rows[1:]), None]


async def agents_served(connection: Connection) -> list[Row]:
    """Return (tenant_id, agent_id, desired, base_model, provider) of every agent, of all tenants."""
    return await connection.fetch(
        """
        SELECT a.tenant_id, a.agent_id, h.desired, v.definition->>'base_model' AS base_model,
               v.definition->>'provider' AS provider
        FROM agents a JOIN agent_versions v USING (tenant_id, agent_id, version)
        LEFT JOIN route_heads h USING (tenant_id, agent_id)
        """
    )


async def all_keys_known(connection: Connection, tenant: str, keys: set[tuple[str, str]]) -> bool:
    """Tell whether the tenant has all keys, each (key id, provider)."""
    known = await connection.fetchval(
        """
        SELECT count(*) FROM keys k JOIN unnest($2::uuid[], $3::text[]) AS wanted (key_id, provider)
            USING (key_id, provider)
        WHERE k.tenant_id = $1
        """,
        tenant,
        [UUID(key_id) for key_id, _ in keys],
        [provider for _, provider in keys],
    )
    return int(known) == len(keys)


async def plan_answer(
    connection: Connection,
    *,
    tenant: str,
    agent_id: str,
    known: int,
    dialog: str | None,
    rate: int,
    hold: float,
) -> Row | None:
    """Return all that one answer needs; None without the agent. One round trip, outside any transaction.

    `known` is the agent's version whose definition the caller has; a `dialog` takes its turn, held for at
    most `hold` seconds; `rate` is requests a minute, 0 for any.
    """
    return await connection.fetchrow(
        "SELECT * FROM plan_answer($1, $2, $3, $4, make_interval(secs => $5), $6)",
        tenant,
        agent_id,
        known,
        dialog,
        hold,
        rate,
    )


def as_json(row: Row) -> dict[str, Any]:
    """Return an entry of the history as it is shown."""
    names = ("entry", "route_version", "desired", "effective", "reason", "by", "why")
    activation = str(row["activation_id"]) if row["activation_id"] else None
    return {name: row[name] for name in names} | {"activation_id": activation, "at": row["at"].isoformat()}
