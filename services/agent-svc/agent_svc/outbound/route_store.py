"""All SQL on routes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection

Row = Record


async def lock_route(connection: Connection, tenant: str, agent_id: str) -> int:
    """Hold the agent's route until the transaction ends; returns its version, 0 when it has none."""
    return int(
        await connection.fetchval(
            """
            INSERT INTO route_heads AS h (tenant_id, agent_id, route_version) VALUES ($1, $2, 0)
            ON CONFLICT (tenant_id, agent_id) DO UPDATE SET route_version = h.route_version
            RETURNING route_version
            """,
            tenant,
            agent_id,
        )
    )


async def current_route(connection: Connection, tenant: str, agent_id: str) -> Row | None:
    """Return the route that serves now, or None."""
    return await connection.fetchrow(
        "SELECT * FROM routes WHERE tenant_id = $1 AND agent_id = $2 ORDER BY route_version DESC LIMIT 1",
        tenant,
        agent_id,
    )


async def history(connection: Connection, tenant: str, agent_id: str) -> list[Row]:
    """Return the newest routes, newest first."""
    return await connection.fetch(
        "SELECT * FROM routes WHERE tenant_id = $1 AND agent_id = $2 ORDER BY route_version DESC LIMIT 100",
        tenant,
        agent_id,
    )


async def append_route(
    connection: Connection,
    *,
    tenant: str,
    agent_id: str,
    version: int,
    activation_id: str | None,
    route: dict[str, Any] | None,
    reason: str,
    by: str,
) -> None:
    """Make `route` the agent's newest one; the caller holds its lock."""
    await connection.execute(
        """
        WITH head AS (UPDATE route_heads SET route_version = $3 WHERE tenant_id = $1 AND agent_id = $2)
        INSERT INTO routes (tenant_id, agent_id, route_version, activation_id, desired, effective, reason, by)
        VALUES ($1, $2, $3, $4, $5, $5, $6, $7)
        """,
        tenant,
        agent_id,
        version,
        UUID(activation_id) if activation_id else None,
        route,
        reason,
        by,
    )
