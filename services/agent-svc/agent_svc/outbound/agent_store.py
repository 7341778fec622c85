"""All SQL on agents and what is known of their keys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asyncpg import Record

from agent_svc.domain.agent import Agent, Key
from chassis.database import Connection

_AGENT = """
    SELECT a.agent_id, a.version, v.definition, v.fingerprint, a.updated_at
    FROM agents a JOIN agent_versions v USING (tenant_id, agent_id, version)
"""


def _agent(row: Record) -> Agent:
    return Agent(row["agent_id"], row["version"], row["definition"], row["fingerprint"], row["updated_at"])


def _key(row: Record) -> Key:
    return Key(
        key_id=str(row["key_id"]),
        provider=row["provider"],
        version=row["version"],
        last4=row["last4"],
        fingerprint=row["fingerprint"],
        training=row["training"],
        infer=row["infer"],
        because=row["because"],
        checked_at=row["checked_at"],
    )


async def lock_agent(connection: Connection, tenant: str, agent_id: str) -> None:
    """Hold the agent until the transaction ends, also one that is not there yet."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 1))", f"{tenant}\x1f{agent_id}"
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


async def list_versions(connection: Connection, tenant: str, agent_id: str) -> list[Record]:
    """Return all versions of an agent, newest first, without their definitions."""
    return await connection.fetch(
        "SELECT version, fingerprint, created_by, created_at FROM agent_versions "
        "WHERE tenant_id = $1 AND agent_id = $2 ORDER BY version DESC LIMIT 500",
        tenant,
        agent_id,
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


async def keys_of(connection: Connection, tenant: str, agent_id: str) -> list[Key]:
    """Return what is known of the agent's keys, by provider."""
    rows = await connection.fetch(
        "SELECT k.* FROM agent_keys b JOIN keys k USING (tenant_id, key_id) "
        "WHERE b.tenant_id = $1 AND b.agent_id = $2 ORDER BY k.provider",
        tenant,
        agent_id,
    )
    return [_key(row) for row in rows]


async def get_key(connection: Connection, tenant: str, key_id: str) -> Key | None:
    """Return what is known of a key, or None."""
    row = await connection.fetchrow(
        "SELECT * FROM keys WHERE tenant_id = $1 AND key_id = $2", tenant, UUID(key_id)
    )
    return _key(row) if row is not None else None


async def upsert_key(
    connection: Connection, *, tenant: str, key_id: UUID, provider: str, fingerprint: str, last4: str
) -> Key:
    """Note a key; the same secret at the same provider is the same key, under its first id."""
    row = await connection.fetchrow(
        """
        INSERT INTO keys AS k (tenant_id, key_id, provider, version, fingerprint, last4)
        VALUES ($1, $2, $3, 1, $4, $5)
        ON CONFLICT (tenant_id, provider, fingerprint) DO UPDATE SET last4 = excluded.last4
        RETURNING *
        """,
        tenant,
        key_id,
        provider,
        fingerprint,
        last4,
    )
    assert row is not None  # noqa: S101 -- an upsert always returns its row
    return _key(row)


async def bind_key(connection: Connection, tenant: str, agent_id: str, provider: str, key_id: str) -> None:
    """Let the agent use a key at its provider."""
    await connection.execute(
        """
        INSERT INTO agent_keys (tenant_id, agent_id, provider, key_id) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, agent_id, provider) DO UPDATE SET key_id = excluded.key_id
        """,
        tenant,
        agent_id,
        provider,
        UUID(key_id),
    )


async def unbind_key(connection: Connection, tenant: str, agent_id: str, provider: str) -> bool:
    """Take the key from the agent; returns whether it had one."""
    done = await connection.execute(
        "DELETE FROM agent_keys WHERE tenant_id = $1 AND agent_id = $2 AND provider = $3",
        tenant,
        agent_id,
        provider,
    )
    return bool(done.endswith("1"))


async def note_check(connection: Connection, *, tenant: str, key_id: str, infer: str) -> None:
    """Note what a check found of a key's use for answers; why it cannot train stays noted."""
    await connection.execute(
        "UPDATE keys SET infer = $3, checked_at = clock_timestamp() WHERE tenant_id = $1 AND key_id = $2",
        tenant,
        UUID(key_id),
        infer,
    )


async def note_training(
    connection: Connection, *, tenant: str, key_id: str, training: str, because: str | None
) -> bool:
    """Note whether the key can train; returns whether that is news."""
    done = await connection.execute(
        "UPDATE keys SET training = $3, because = $4, checked_at = clock_timestamp() "
        "WHERE tenant_id = $1 AND key_id = $2 AND (training, because) IS DISTINCT FROM ($3, $4)",
        tenant,
        UUID(key_id),
        training,
        because,
    )
    return bool(done.endswith("1"))


async def agents_with_key(connection: Connection, tenant: str, key_id: str) -> list[str]:
    """Return the agents that use a key."""
    rows = await connection.fetch(
        "SELECT agent_id FROM agent_keys WHERE tenant_id = $1 AND key_id = $2 ORDER BY agent_id",
        tenant,
        UUID(key_id),
    )
    return [row["agent_id"] for row in rows]
