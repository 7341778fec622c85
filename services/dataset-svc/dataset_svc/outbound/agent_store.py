"""SQL of agents and datasets."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from asyncpg import Record
from uuid_utils.compat import uuid7

from chassis.database import Connection


async def put_agent(connection: Connection, tenant: str, agent: dict[str, Any]) -> None:
    """Keep the newest version of an agent; the same version again may tell news of its keys."""
    await connection.execute(
        """
        INSERT INTO agents AS a (tenant_id, agent_id, version, name, prompt, tools, parallel_tool_calls,
            fingerprint, base_model, provider, keys)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        ON CONFLICT (tenant_id, agent_id) DO UPDATE SET
            version = excluded.version, name = excluded.name, prompt = excluded.prompt,
            tools = excluded.tools, parallel_tool_calls = excluded.parallel_tool_calls,
            fingerprint = excluded.fingerprint, base_model = excluded.base_model,
            provider = excluded.provider, keys = excluded.keys
        WHERE a.version <= excluded.version
        """,
        tenant,
        agent["agent_id"],
        agent["version"],
        agent["name"],
        agent["prompt"],
        agent["tools"],
        agent["parallel_tool_calls"],
        agent["fingerprint"],
        agent["base_model"],
        agent["provider"],
        agent["keys"],
    )


async def put_version(connection: Connection, tenant: str, agent: dict[str, Any]) -> None:
    """Keep a version of an agent for examples that were answered under it."""
    await connection.execute(
        """
        INSERT INTO agent_versions (tenant_id, agent_id, version, prompt, tools, parallel_tool_calls,
            fingerprint)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING
        """,
        tenant,
        agent["agent_id"],
        agent["version"],
        agent["prompt"],
        agent["tools"],
        agent["parallel_tool_calls"],
        agent["fingerprint"],
    )


async def get_agent(connection: Connection, tenant: str, agent_id: str) -> Record | None:
    """Return an agent as last heard of."""
    return await connection.fetchrow(
        "SELECT * FROM agents WHERE tenant_id = $1 AND agent_id = $2", tenant, agent_id
    )


async def agent_of_dataset(connection: Connection, tenant: str, dataset_id: UUID) -> Record | None:
    """Return a dataset's agent as last heard of, None while it is not known."""
    return await connection.fetchrow(
        "SELECT a.* FROM datasets d JOIN agents a USING (tenant_id, agent_id) "
        "WHERE d.tenant_id = $1 AND d.id = $2",
        tenant,
        dataset_id,
    )


async def ensure_datasets(connection: Connection, agents: Collection[tuple[str, str]]) -> None:
    """Make the datasets of those agents (tenant, agent) that have none."""
    wanted = sorted(agents)
    await connection.execute(
        """
        INSERT INTO datasets (tenant_id, id, agent_id)
        SELECT w.tenant_id, w.id, w.agent_id
        FROM unnest($1::text[], $2::uuid[], $3::text[]) AS w (tenant_id, id, agent_id)
        WHERE NOT EXISTS (
            SELECT FROM datasets d WHERE d.tenant_id = w.tenant_id AND d.agent_id = w.agent_id)
        ON CONFLICT (tenant_id, agent_id) DO NOTHING
        """,
        [tenant for tenant, _ in wanted],
        [uuid7() for _ in wanted],
        [agent_id for _, agent_id in wanted],
    )


async def ensure_dataset(connection: Connection, tenant: str, agent_id: str) -> UUID:
    """Return the id of the agent's dataset, made now if there was none."""
    await ensure_datasets(connection, {(tenant, agent_id)})
    found: UUID = await connection.fetchval(
        "SELECT id FROM datasets WHERE tenant_id = $1 AND agent_id = $2", tenant, agent_id
    )
    return found


async def get_dataset(connection: Connection, tenant: str, dataset_id: UUID) -> Record | None:
    """Return a dataset with its agent's name and version, null while the agent is not known."""
    return await connection.fetchrow(
        """
        SELECT d.*, a.name, a.version AS agent_version, a.base_model, a.provider
        FROM datasets d LEFT JOIN agents a USING (tenant_id, agent_id)
        WHERE d.tenant_id = $1 AND d.id = $2
        """,
        tenant,
        dataset_id,
    )


async def list_datasets(
    connection: Connection, tenant: str, agent_id: str | None, after: UUID | None, limit: int
) -> list[Record]:
    """Return datasets in the order in which they were made."""
    return await connection.fetch(
        """
        SELECT d.*, a.name, a.version AS agent_version, a.base_model, a.provider
        FROM datasets d LEFT JOIN agents a USING (tenant_id, agent_id)
        WHERE d.tenant_id = $1 AND ($2::text IS NULL OR d.agent_id = $2) AND ($3::uuid IS NULL OR d.id > $3)
        ORDER BY d.id LIMIT $4
        """,
        tenant,
        agent_id,
        after,
        limit,
    )
