"""All SQL on routes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asyncpg import Record

from agent_svc.domain.agent import Agent, SealedKey
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


async def plan_answer(
    connection: Connection, tenant: str, agent_id: str
) -> tuple[Agent, dict[str, Any] | None, dict[str, SealedKey]] | None:
    """Return the agent, what serves it (None: the base model) and its keys by id; None without the agent.

    One round trip, outside any transaction: the function sets the tenant for its own statement.
    """
    row = await connection.fetchrow("SELECT * FROM plan_answer($1, $2)", tenant, agent_id)
    if row is None:
        return None
    agent = Agent(agent_id, row["version"], row["definition"], row["fingerprint"], row["updated_at"])
    columns = (row["key_ids"] or (), row["providers"] or (), row["key_versions"] or (), row["sealed"] or ())
    keys = [SealedKey(str(key_id), *rest) for key_id, *rest in zip(*columns, strict=True)]
    return agent, row["effective"], {key.key_id: key for key in keys}


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
