"""All SQL on agents and their versions."""

from __future__ import annotations

from typing import Any

from asyncpg import Record

from agent_svc.domain.agent import Agent
from chassis.database import Connection

_AGENT = """
    SELECT a.agent_id, a.version, v.definition, v.fingerprint, a.updated_at
    FROM agents a JOIN agent_versions v USING (tenant_id, agent_id, version)
"""


def _agent(row: Record) -> Agent:
    return Agent(row["agent_id"], row["version"], row["definition"], row["fingerprint"], row["updated_at"])


async def lock_agent(connection: Connection, tenant: str, agent_id: str) -> None:
    """Hold the agent until the transaction ends, also one that is not there yet."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", f"{tenant}\x1f{agent_id}"
    )


async def lock_news(connection: Connection, tenant: str, agent_id: str) -> None:
    """Hold what is told of the agent until the transaction ends; taken after every other lock."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 3))", f"{tenant}\x1f{agent_id}"
    )


async def get_agent(connection: Connection, tenant: str, agent_id: str) -> Agent | None:
    """Return the agent as it is now, or None."""
    row = await connection.fetchrow(f"{_AGENT} WHERE a.tenant_id = $1 AND a.agent_id = $2", tenant, agent_id)
    return _agent(row) if row is not None else None


async def list_agents(connection: Connection, tenant: str, after: str, limit: int) -> list[Agent]:
    """Return agents by id, after the id `after`."""
    rows = await connection.fetch(
        f"{_AGENT} WHERE a.tenant_id = $1 AND a.agent_id > $2 ORDER BY a.agent_id LIMIT $3",
        tenant,
        after,
        limit,
    )
    return [_agent(row) for row in rows]


async def get_version(connection: Connection, tenant: str, agent_id: str, version: int) -> Record | None:
    """Return one version of an agent, or None."""
    return await connection.fetchrow(
        "SELECT version, definition, fingerprint, created_by, created_at FROM agent_versions "
        "WHERE tenant_id = $1 AND agent_id = $2 AND version = $3",
        tenant,
        agent_id,
        version,
    )


async def list_versions(
    connection: Connection, tenant: str, agent_id: str, before: int | None, limit: int
) -> list[Record]:
    """Return versions of an agent older than `before`, newest first, without their definitions."""
    return await connection.fetch(
        "SELECT version, fingerprint, created_by, created_at FROM agent_versions "
        "WHERE tenant_id = $1 AND agent_id = $2 AND ($3::bigint IS NULL OR version < $3) "
        "ORDER BY version DESC LIMIT $4",
        tenant,
        agent_id,
        before,
        limit,
    )


async def put_agent(connection: Connection, tenant: str, agent_id: str, version: int, name: str) -> None:
    """Make the agent, or move it to a newer version."""
    await connection.execute(
        """
        INSERT INTO agents (tenant_id, agent_id, version, name) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, agent_id) DO UPDATE
        SET version = excluded.version, name = excluded.name, updated_at = clock_timestamp()
        """,
        tenant,
        agent_id,
        version,
        name,
    )


async def insert_version(
    connection: Connection,
    *,
    tenant: str,
    agent_id: str,
    version: int,
    definition: dict[str, Any],
    fingerprint: str,
    by: str,
) -> None:
    """Keep a version of an agent."""
    await connection.execute(
        "INSERT INTO agent_versions (tenant_id, agent_id, version, definition, fingerprint, created_by) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        tenant,
        agent_id,
        version,
        definition,
        fingerprint,
        by,
    )
