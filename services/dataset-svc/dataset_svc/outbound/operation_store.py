"""SQL of operations: what one call did to examples, what it could not do, and undoing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection
from dataset_svc.domain.change import Change
from dataset_svc.domain.filter import Filter
from dataset_svc.outbound.listing_store import MATCHES


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be done: the line of an import or a running number, and why."""

    place: int
    example_id: UUID | None
    code: str
    field: str | None
    message_id: str | None
    detail_en: str
    detail_ru: str


async def create(
    connection: Connection,
    tenant: str,
    *,
    operation_id: UUID,
    dataset_id: UUID,
    action: str,
    arguments: Mapping[str, Any],
    state: str,
    by: str,
) -> None:
    """Store a new operation without items."""
    await connection.execute(
        """
        INSERT INTO operations (tenant_id, id, dataset_id, action, arguments, state, asked_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        tenant,
        operation_id,
        dataset_id,
        action,
        dict(arguments),
        state,
        by,
    )


async def add_by_ids(
    connection: Connection, tenant: str, operation_id: UUID, dataset_id: UUID, ids: Sequence[UUID]
) -> list[UUID]:
    """Add those examples that are in the dataset; returns which."""
    rows = await connection.fetch(
        """
        INSERT INTO operation_items (tenant_id, operation_id, example_id, state)
        SELECT e.tenant_id, $2, e.id, 'waiting'
        FROM (SELECT DISTINCT unnest($4::uuid[]) AS id) w JOIN examples e ON e.id = w.id
        WHERE e.tenant_id = $1 AND e.dataset_id = $3
        RETURNING example_id
        """,
        tenant,
        operation_id,
        dataset_id,
        ids,
    )
    return [row["example_id"] for row in rows]


async def add_by_filter(
    connection: Connection, tenant: str, operation_id: UUID, dataset_id: UUID, wanted: Filter
) -> None:
    """Add the examples that match now: what matches later is not meant."""
    await connection.execute(
        f"""
        INSERT INTO operation_items (tenant_id, operation_id, example_id, state)
        SELECT e.tenant_id, $4, e.id, 'waiting' FROM examples e
        WHERE e.tenant_id = $1 AND e.dataset_id = $2 AND {MATCHES}
        """,  # noqa: S608 -- MATCHES is a literal
        tenant,
        dataset_id,
        wanted.columns(),
        operation_id,
    )


async def known_ids(connection: Connection, tenant: str, dataset_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    """Return which of these are examples of the dataset."""
    rows = await connection.fetch(
        "SELECT id FROM examples WHERE tenant_id = $1 AND dataset_id = $2 AND id = ANY($3::uuid[])",
        tenant,
        dataset_id,
        ids,
    )
    return {row["id"] for row in rows}


async def get(connection: Connection, tenant: str, operation_id: UUID) -> Record | None:
    """Return an operation."""
    return await connection.fetchrow(
        "SELECT * FROM operations WHERE tenant_id = $1 AND id = $2", tenant, operation_id
    )


async def lock(connection: Connection, tenant: str, operation_id: UUID) -> Record | None:
    """Return an operation and let nobody else go on with it in this transaction."""
    return await connection.fetchrow(
        "SELECT * FROM operations WHERE tenant_id = $1 AND id = $2 FOR UPDATE", tenant, operation_id
    )


async def list_operations(
    connection: Connection, tenant: str, dataset_id: UUID, before: UUID | None, limit: int
) -> list[Record]:
    """Return a dataset's operations, newest first."""
    return await connection.fetch(
        """
        SELECT * FROM operations
        WHERE tenant_id = $1 AND dataset_id = $2 AND ($3::uuid IS NULL OR id < $3)
        ORDER BY id DESC LIMIT $4
        """,
        tenant,
        dataset_id,
        before,
        limit,
    )


async def claim(connection: Connection, seconds: float) -> Record | None:
    """Take the operation that was served longest ago for so many seconds."""
    return await connection.fetchrow(
        """
        UPDATE operations o SET served_at = clock_timestamp() + make_interval(secs => $1)
        FROM (
            SELECT tenant_id, id FROM operations
            WHERE state IN ('running', 'undoing') AND served_at < clock_timestamp()
            ORDER BY served_at LIMIT 1 FOR UPDATE SKIP LOCKED
        ) due
        WHERE o.tenant_id = due.tenant_id AND o.id = due.id
        RETURNING o.*
        """,
        seconds,
    )


async def advance(
    connection: Connection,
    tenant: str,
    operation_id: UUID,
    *,
    state: str,
    position: Mapping[str, Any],
    total: int | None = None,
    done: int = 0,
    failed: int = 0,
    undone: int = 0,
    kept: int = 0,
) -> None:
    """Note what a turn did: counts are added; the next turn is someone else's."""
    await connection.execute(
        """
        UPDATE operations SET state = $3, position = $4, total = coalesce($5, total), done = done + $6,
            failed = failed + $7, undone = undone + $8, kept = kept + $9, served_at = clock_timestamp(),
            finished_at = CASE WHEN $3 IN ('done', 'refused', 'undone') THEN clock_timestamp() END
        WHERE tenant_id = $1 AND id = $2
        """,
        tenant,
        operation_id,
        state,
        dict(position),
        total,
        done,
        failed,
        undone,
        kept,
    )


async def begin_undo(connection: Connection, tenant: str, operation_id: UUID, by: str) -> None:
    """Let a finished operation be undone."""
    await connection.execute(
        "UPDATE operations SET state = 'undoing', undone_by = $3, finished_at = NULL, "
        "served_at = clock_timestamp() WHERE tenant_id = $1 AND id = $2",
        tenant,
        operation_id,
        by,
    )


async def count_items(connection: Connection, tenant: str, operation_id: UUID) -> int:
    """Return how many examples the operation is about."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM operation_items WHERE tenant_id = $1 AND operation_id = $2",
        tenant,
        operation_id,
    )
    return count


async def next_items(
    connection: Connection, tenant: str, operation_id: UUID, state: str, limit: int
) -> list[Record]:
    """Return the next examples in this state, in order of id."""
    return await connection.fetch(
        """
        SELECT example_id, before, after FROM operation_items
        WHERE tenant_id = $1 AND operation_id = $2 AND state = $3 ORDER BY example_id LIMIT $4
        """,
        tenant,
        operation_id,
        state,
        limit,
    )


async def settle_item(
    connection: Connection, tenant: str, operation_id: UUID, example_id: UUID, state: str, change: Change
) -> None:
    """Note what was done to an example; made now when the operation is about it alone."""
    await connection.execute(
        """
        INSERT INTO operation_items (tenant_id, operation_id, example_id, state, before, after)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, operation_id, example_id)
        DO UPDATE SET state = excluded.state, before = excluded.before, after = excluded.after
        """,
        tenant,
        operation_id,
        example_id,
        state,
        dict(change.before),
        dict(change.after),
    )


async def close_item(
    connection: Connection, tenant: str, operation_id: UUID, example_id: UUID, state: str
) -> None:
    """Note that an example's change was undone or kept, and forget it: nobody can use it again.

    An item that an erasure deleted meanwhile stays deleted.
    """
    await connection.execute(
        "UPDATE operation_items SET state = $4, before = '{}', after = '{}' "
        "WHERE tenant_id = $1 AND operation_id = $2 AND example_id = $3",
        tenant,
        operation_id,
        example_id,
        state,
    )


async def put_failures(
    connection: Connection, tenant: str, operation_id: UUID, failures: Sequence[Failure]
) -> None:
    """Store what could not be done."""
    await connection.execute(
        """
        INSERT INTO operation_failures (tenant_id, operation_id, place, example_id, code, field, message_id,
            detail_en, detail_ru)
        SELECT $1, $2, * FROM unnest(
            $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
        """,
        tenant,
        operation_id,
        [one.place for one in failures],
        [one.example_id for one in failures],
        [one.code for one in failures],
        [one.field for one in failures],
        [one.message_id for one in failures],
        [one.detail_en for one in failures],
        [one.detail_ru for one in failures],
    )


async def list_failures(
    connection: Connection, tenant: str, operation_id: UUID, after: int | None, limit: int
) -> list[Record]:
    """Return what could not be done, in order."""
    return await connection.fetch(
        """
        SELECT * FROM operation_failures
        WHERE tenant_id = $1 AND operation_id = $2 AND ($3::bigint IS NULL OR place > $3)
        ORDER BY place LIMIT $4
        """,
        tenant,
        operation_id,
        after,
        limit,
    )


async def forget_examples(connection: Connection, examples: Sequence[tuple[str, UUID]]) -> None:
    """Delete what operations remember of these examples (tenant, id)."""
    await connection.execute(
        """
        DELETE FROM operation_items i USING unnest($1::text[], $2::uuid[]) AS w (tenant_id, example_id)
        WHERE i.tenant_id = w.tenant_id AND i.example_id = w.example_id
        """,
        [tenant for tenant, _ in examples],
        [example_id for _, example_id in examples],
    )


async def find_old(connection: Connection, days: float, limit: int) -> list[Record]:
    """Return operations that finished so many days ago, oldest first: tenant, id, arguments."""
    return await connection.fetch(
        "SELECT tenant_id, id, arguments FROM operations "
        "WHERE finished_at < clock_timestamp() - make_interval(secs => $1) ORDER BY finished_at LIMIT $2",
        days * 86_400,
        limit,
    )


async def delete_old(connection: Connection, days: float, old: Sequence[Record]) -> list[Record]:
    """Delete those of these operations that finished so many days ago; they cannot be undone any more."""
    return await connection.fetch(
        """
        WITH old AS MATERIALIZED (
            SELECT tenant_id, id, (
                SELECT coalesce(sum(pg_column_size(i.before) + pg_column_size(i.after)), 0)::bigint
                FROM operation_items i WHERE i.tenant_id = o.tenant_id AND i.operation_id = o.id) AS size
            FROM operations o JOIN unnest($2::text[], $3::uuid[]) AS w (tenant_id, id) USING (tenant_id, id)
            WHERE finished_at < clock_timestamp() - make_interval(secs => $1)
            FOR UPDATE OF o SKIP LOCKED
        )
        DELETE FROM operations o USING old
        WHERE o.tenant_id = old.tenant_id AND o.id = old.id
        RETURNING old.size
        """,
        days * 86_400,
        [row["tenant_id"] for row in old],
        [row["id"] for row in old],
    )
