"""SQL of personal data: the values that a dataset allows, and what a change of them concerns."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection
from dataset_svc.domain.filter import Filter
from dataset_svc.outbound.check_store import queue_examples
from dataset_svc.outbound.listing_store import MATCHES


async def allowed(connection: Connection, tenant: str, dataset_id: UUID) -> list[tuple[str, str]]:
    """Return the values (kind, value) that are no finding in this dataset."""
    rows = await connection.fetch(
        "SELECT kind, value FROM allowed_values WHERE tenant_id = $1 AND dataset_id = $2", tenant, dataset_id
    )
    return [(row["kind"], row["value"]) for row in rows]


async def list_allowed(
    connection: Connection, tenant: str, dataset_id: UUID, after: UUID | None, limit: int
) -> list[Record]:
    """Return the allowed values in the order in which they were allowed."""
    return await connection.fetch(
        """
        SELECT * FROM allowed_values
        WHERE tenant_id = $1 AND dataset_id = $2 AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4
        """,
        tenant,
        dataset_id,
        after,
        limit,
    )


async def count_allowed(connection: Connection, tenant: str, dataset_id: UUID) -> int:
    """Return how many values are allowed."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM allowed_values WHERE tenant_id = $1 AND dataset_id = $2", tenant, dataset_id
    )
    return count


async def allow(
    connection: Connection,
    tenant: str,
    dataset_id: UUID,
    *,
    value_id: UUID,
    kind: str,
    value: str,
    written: str,
    why: str,
    by: str,
) -> Record | None:
    """Allow a value; returns what is stored, also where it was allowed before."""
    return await connection.fetchrow(
        """
        INSERT INTO allowed_values (tenant_id, dataset_id, id, kind, value, written, why, allowed_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (tenant_id, dataset_id, kind, value) DO UPDATE SET written = excluded.written,
            why = excluded.why, allowed_by = excluded.allowed_by, allowed_at = excluded.allowed_at
        RETURNING *
        """,
        tenant,
        dataset_id,
        value_id,
        kind,
        value,
        written,
        why,
        by,
    )


async def disallow(connection: Connection, tenant: str, dataset_id: UUID, value_id: UUID) -> str | None:
    """Let a value be a finding again; returns its kind, None when it was not allowed."""
    kind: str | None = await connection.fetchval(
        "DELETE FROM allowed_values WHERE tenant_id = $1 AND dataset_id = $2 AND id = $3 RETURNING kind",
        tenant,
        dataset_id,
        value_id,
    )
    return kind


async def queue_with_findings(connection: Connection, tenant: str, dataset_id: UUID) -> None:
    """Queue the examples in which personal data was found."""
    await queue_examples(
        connection,
        """
        e.tenant_id = $1 AND e.state <> 'removed' AND e.id IN (
            SELECT f.example_id FROM findings f
            WHERE f.tenant_id = $1 AND f.dataset_id = $2 AND f.code = 'personal_data')
        """,
        tenant,
        dataset_id,
    )


async def count_found(
    connection: Connection, tenant: str, dataset_id: UUID, ids: Sequence[UUID] | None, wanted: Filter
) -> list[Record]:
    """Return by kind in how many of the meant examples personal data was found, and how often."""
    return await connection.fetch(
        f"""
        SELECT k.key AS kind, count(DISTINCT f.example_id) AS examples, sum(k.value::bigint)::bigint AS times
        FROM findings f JOIN examples e ON e.tenant_id = f.tenant_id AND e.id = f.example_id,
            jsonb_each_text(f.place #> '{{facts,kinds}}') k
        WHERE f.tenant_id = $1 AND f.dataset_id = $2 AND f.code = 'personal_data' AND e.tenant_id = $1
          AND ($4::uuid[] IS NULL AND {MATCHES} OR e.id = ANY($4))
        GROUP BY k.key ORDER BY k.key
        """,  # noqa: S608 -- MATCHES is a literal
        tenant,
        dataset_id,
        wanted.columns(),
        ids,
    )
