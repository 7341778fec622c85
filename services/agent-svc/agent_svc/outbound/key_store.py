"""All SQL on what is known of provider keys; the keys themselves lie in the vault (chassis.vault)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asyncpg import Record

from agent_svc.domain.key import Key
from chassis.database import Connection


class DueKey(NamedTuple):
    """A key whose turn it is to be checked, and what agent.updated last said of it."""

    tenant: str
    key: Key
    told: str


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
        organisation=row["organisation"],
        missing_scope=row["missing_scope"],
        since=row["since"],
        variables=row["variables"],
    )


async def lock_keys(connection: Connection, tenant: str, provider: str) -> None:
    """Hold all keys of a tenant at a provider until the transaction ends, also those still to come."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 2))", f"{tenant}\x1f{provider}"
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


async def key_at(connection: Connection, tenant: str, agent_id: str, provider: str) -> Key | None:
    """Return what is known of the agent's key at a provider and hold it, or None."""
    row = await connection.fetchrow(
        "SELECT k.* FROM agent_keys b JOIN keys k USING (tenant_id, key_id) "
        "WHERE b.tenant_id = $1 AND b.agent_id = $2 AND b.provider = $3 FOR UPDATE OF k",
        tenant,
        agent_id,
        provider,
    )
    return _key(row) if row is not None else None


async def get_key(connection: Connection, tenant: str, key_id: str) -> Key | None:
    """Return what is known of a key, or None."""
    row = await connection.fetchrow(
        "SELECT * FROM keys WHERE tenant_id = $1 AND key_id = $2", tenant, UUID(key_id)
    )
    return _key(row) if row is not None else None


async def lock_key(connection: Connection, tenant: str, key_id: str) -> Key | None:
    """Return what is known of a key and hold it until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT * FROM keys WHERE tenant_id = $1 AND key_id = $2 FOR UPDATE", tenant, UUID(key_id)
    )
    return _key(row) if row is not None else None


async def find_key(connection: Connection, tenant: str, provider: str, fingerprint: str) -> Key | None:
    """Return the key with this fingerprint and hold it, or None."""
    row = await connection.fetchrow(
        "SELECT * FROM keys WHERE tenant_id = $1 AND provider = $2 AND fingerprint = $3 FOR UPDATE",
        tenant,
        provider,
        fingerprint,
    )
    return _key(row) if row is not None else None


def _known(key: Key) -> tuple[Any, ...]:
    """Return what changes of a key, in the order of the columns."""
    return (
        key.version, key.fingerprint, key.last4, key.training, key.infer, key.because, key.missing_scope,
        key.since, key.organisation, key.checked_at, dict(key.variables),
    )  # fmt: skip


async def insert_key(connection: Connection, tenant: str, key: Key) -> None:
    """Keep a new key."""
    await connection.execute(
        """
        INSERT INTO keys (tenant_id, key_id, provider, version, fingerprint, last4, training, infer, because,
                          missing_scope, since, organisation, checked_at, variables, check_due)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                clock_timestamp() + interval '1 day')
        """,
        tenant,
        UUID(key.key_id),
        key.provider,
        *_known(key),
    )


async def update_key(connection: Connection, tenant: str, key: Key) -> None:
    """Write all that is known of a key; the caller holds its lock."""
    await connection.execute(
        """
        UPDATE keys SET version = $3, fingerprint = $4, last4 = $5, training = $6, infer = $7, because = $8,
                        missing_scope = $9, since = $10, organisation = $11, checked_at = $12, variables = $13
        WHERE tenant_id = $1 AND key_id = $2
        """,
        tenant,
        UUID(key.key_id),
        *_known(key),
    )


async def note_told(connection: Connection, tenant: str, key_id: str, told: str) -> None:
    """Note what agent.updated says of a key from now on; not of one that somebody changes just now."""
    await connection.execute(
        "UPDATE keys SET told = $3 WHERE (tenant_id, key_id) = (SELECT tenant_id, key_id FROM keys "
        "WHERE tenant_id = $1 AND key_id = $2 AND told <> $3 FOR UPDATE SKIP LOCKED)",
        tenant,
        UUID(key_id),
        told,
    )


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


async def note_use(connection: Connection, tenant: str, provider: str) -> None:
    """Note of the tenant's keys at a provider which are used, and since when the others are not."""
    await connection.execute(
        """
        UPDATE keys k SET unbound_at = CASE WHEN u.used THEN NULL ELSE clock_timestamp() END
        FROM (SELECT o.key_id, EXISTS (SELECT FROM agent_keys b WHERE b.tenant_id = o.tenant_id
                                       AND b.key_id = o.key_id) AS used
              FROM keys o WHERE o.tenant_id = $1 AND o.provider = $2) u
        WHERE k.tenant_id = $1 AND k.key_id = u.key_id AND (k.unbound_at IS NULL) <> u.used
        """,
        tenant,
        provider,
    )


async def agents_with_key(connection: Connection, tenant: str, key_id: str) -> list[str]:
    """Return the agents that use a key."""
    rows = await connection.fetch(
        "SELECT agent_id FROM agent_keys WHERE tenant_id = $1 AND key_id = $2 ORDER BY agent_id",
        tenant,
        UUID(key_id),
    )
    return [row["agent_id"] for row in rows]


async def claim_due(connection: Connection, lease: float) -> DueKey | None:
    """Take the key that has waited longest for its check; for `lease` seconds nobody else gets it."""
    row = await connection.fetchrow(
        """
        UPDATE keys SET check_due = clock_timestamp() + make_interval(secs => $1)
        WHERE (tenant_id, key_id) = (
            SELECT tenant_id, key_id FROM keys
            WHERE unbound_at IS NULL AND check_due <= clock_timestamp()
            ORDER BY check_due LIMIT 1 FOR UPDATE SKIP LOCKED)
        RETURNING *
        """,
        lease,
    )
    return DueKey(row["tenant_id"], _key(row), row["told"]) if row is not None else None


async def set_due(connection: Connection, tenant: str, key_id: str, seconds: float) -> None:
    """Let the next check come in about `seconds`, spread by a tenth each way."""
    await connection.execute(
        "UPDATE keys SET check_due = clock_timestamp() + make_interval(secs => $3 * (0.9 + random() * 0.2)) "
        "WHERE tenant_id = $1 AND key_id = $2",
        tenant,
        UUID(key_id),
        seconds,
    )


async def drop_old_secrets(connection: Connection, replaced_for: float, unused_for: float) -> int:
    """Delete sealed secrets that nobody needs; returns how many. Times in seconds.

    That is a version replaced long ago, and every version of a key that no agent uses any more; both only
    when no unfinished run holds the key. One that is being put in again just now is let be.
    """
    done = await connection.execute(
        """
        WITH gone AS MATERIALIZED (
            SELECT s.tenant_id, s.key_id, s.version FROM vault.secrets s JOIN keys k USING (tenant_id, key_id)
            WHERE (k.unbound_at < clock_timestamp() - make_interval(secs => $2)
                   OR EXISTS (SELECT FROM vault.secrets n
                              WHERE n.tenant_id = s.tenant_id AND n.key_id = s.key_id
                                AND n.version > s.version
                                AND n.created_at < clock_timestamp() - make_interval(secs => $1)))
              AND NOT EXISTS (SELECT FROM runs r WHERE r.tenant_id = s.tenant_id AND r.key_id = s.key_id
                              AND r.status NOT IN ('ready', 'failed', 'cancelled'))
            FOR UPDATE OF k SKIP LOCKED
        )
        DELETE FROM vault.secrets s USING gone g
        WHERE (s.tenant_id, s.key_id, s.version) = (g.tenant_id, g.key_id, g.version)
        """,
        replaced_for,
        unused_for,
    )
    return int(done.rsplit(" ", 1)[-1])


async def database_time(connection: Connection) -> datetime:
    """Return the time as the database has it."""
    found: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return found
