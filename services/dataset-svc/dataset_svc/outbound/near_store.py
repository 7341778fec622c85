"""SQL of near duplicates: signatures, what is to be grouped, groups, and the findings that tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection
from dataset_svc.domain.groups import Placement
from dataset_svc.outbound.check_store import queue_examples


async def put_signatures(
    connection: Connection, tenant: str, dataset_id: UUID, algorithm: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Store signatures (example, signature, shingles); one that is as it was stays in its group."""
    await connection.execute(
        """
        INSERT INTO example_signatures AS s
            (tenant_id, dataset_id, algorithm, example_id, signature, shingles)
        SELECT $1, $2, $3, * FROM unnest($4::uuid[], $5::bytea[], $6::bytea[])
        ON CONFLICT (tenant_id, example_id) DO UPDATE SET algorithm = excluded.algorithm,
            signature = excluded.signature, shingles = excluded.shingles,
            changed_at = clock_timestamp(), is_grouped = false
        WHERE (s.algorithm, s.signature, s.shingles)
            IS DISTINCT FROM (excluded.algorithm, excluded.signature, excluded.shingles)
        """,
        tenant,
        dataset_id,
        algorithm,
        *map(list, zip(*rows, strict=True)),
    )


async def drop_signatures(connection: Connection, tenant: str, examples: Sequence[UUID]) -> None:
    """Delete the signatures of what is in the dataset no more; a trigger notes which groups that breaks."""
    await connection.execute(
        "DELETE FROM example_signatures WHERE tenant_id = $1 AND example_id = ANY($2)", tenant, examples
    )


async def queue_outdated(connection: Connection, algorithm: str) -> None:
    """Queue examples whose signatures were made in another way."""
    await queue_examples(
        connection,
        "(e.tenant_id, e.id) IN (SELECT tenant_id, example_id FROM example_signatures WHERE algorithm <> $1)",
        algorithm,
    )


async def next_due(connection: Connection, tenant: str, dataset_id: UUID) -> Record | None:
    """Return the dataset after this one that has something to group: datasets take turns."""
    return await connection.fetchrow(
        """
        SELECT * FROM (
            (SELECT tenant_id, dataset_id FROM example_signatures
             WHERE NOT is_grouped AND (tenant_id, dataset_id) > ($1, $2)
             ORDER BY tenant_id, dataset_id LIMIT 1)
            UNION
            (SELECT tenant_id, dataset_id FROM broken_groups WHERE (tenant_id, dataset_id) > ($1, $2)
             ORDER BY tenant_id, dataset_id LIMIT 1)
        ) due ORDER BY tenant_id, dataset_id LIMIT 1
        """,
        tenant,
        dataset_id,
    )


async def count_due(connection: Connection, tenant: str, dataset_id: UUID) -> int:
    """Return how many examples are to be grouped; a broken group counts as one."""
    count: int = await connection.fetchval(
        """
        SELECT (SELECT count(*) FROM example_signatures
                WHERE tenant_id = $1 AND dataset_id = $2 AND NOT is_grouped)
            + (SELECT count(*) FROM broken_groups WHERE tenant_id = $1 AND dataset_id = $2)
        """,
        tenant,
        dataset_id,
    )
    return count


async def count_signatures(
    connection: Connection, tenant: str, dataset_id: UUID, most: int | None = None
) -> int:
    """Return how many examples of the dataset have a signature, counted up to `most`."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM (SELECT FROM example_signatures WHERE tenant_id = $1 AND dataset_id = $2 "
        "LIMIT $3) s",
        tenant,
        dataset_id,
        most,
    )
    return count


async def dissolve(connection: Connection, tenant: str, dataset_id: UUID) -> None:
    """Let every group that lost a member, or of which one changed, be made anew."""
    await connection.execute(
        """
        WITH broken AS (
            DELETE FROM broken_groups WHERE tenant_id = $1 AND dataset_id = $2 RETURNING group_id
        )
        UPDATE example_signatures SET is_grouped = false
        WHERE tenant_id = $1 AND dataset_id = $2 AND is_grouped AND group_id IN (
            SELECT group_id FROM broken
            UNION
            SELECT group_id FROM example_signatures
            WHERE tenant_id = $1 AND dataset_id = $2 AND NOT is_grouped AND group_id IS NOT NULL
        )
        """,
        tenant,
        dataset_id,
    )


async def members(connection: Connection, tenant: str, dataset_id: UUID, algorithm: str) -> list[Record]:
    """Return all that can be compared, in order of id."""
    return await connection.fetch(
        """
        SELECT s.example_id, s.changed_at, s.is_grouped, s.group_id, s.group_split_hash, c.split_hash,
            s.signature
        FROM example_signatures s JOIN example_checks c USING (tenant_id, example_id)
        WHERE s.tenant_id = $1 AND s.dataset_id = $2 AND s.algorithm = $3 ORDER BY s.example_id
        """,
        tenant,
        dataset_id,
        algorithm,
    )


async def shingles(connection: Connection, tenant: str, examples: Sequence[UUID]) -> dict[UUID, bytes]:
    """Return the shingles of examples; of one that is gone none."""
    rows = await connection.fetch(
        "SELECT example_id, shingles FROM example_signatures WHERE tenant_id = $1 AND example_id = ANY($2)",
        tenant,
        examples,
    )
    return {row["example_id"]: row["shingles"] for row in rows}


async def group_shingles(connection: Connection, tenant: str, example_id: UUID) -> dict[UUID, bytes]:
    """Return the shingles of an example and of all others in its group; empty when it is in none."""
    rows = await connection.fetch(
        """
        SELECT o.example_id, o.shingles FROM example_signatures s
        JOIN example_signatures o ON o.tenant_id = s.tenant_id AND o.group_id = s.group_id
        WHERE s.tenant_id = $1 AND s.example_id = $2 AND o.dataset_id = s.dataset_id
        """,
        tenant,
        example_id,
    )
    return {row["example_id"]: row["shingles"] for row in rows}


async def put_groups(
    connection: Connection, tenant: str, dataset_id: UUID, parts: Sequence[Sequence[Placement]]
) -> None:
    """Store what became of groups: a part of which anything changed meanwhile is left for the next time."""
    rows = [(number, one) for number, part in enumerate(parts) for one in part]
    await connection.execute(
        """
        WITH wanted AS MATERIALIZED (
            SELECT * FROM unnest($3::int[], $4::uuid[], $5::timestamptz[], $6::uuid[], $7::bytea[])
                AS w (part, example_id, changed_at, group_id, split_hash)
        ), locked AS MATERIALIZED (
            SELECT s.example_id, s.changed_at FROM example_signatures s
            WHERE s.tenant_id = $1 AND s.dataset_id = $2 AND s.example_id = ANY($4)
            ORDER BY s.example_id FOR NO KEY UPDATE
        ), stale AS (
            SELECT DISTINCT part FROM wanted w LEFT JOIN locked l USING (example_id, changed_at)
            WHERE l.example_id IS NULL
        )
        UPDATE example_signatures s
        SET is_grouped = true, group_id = w.group_id, group_split_hash = w.split_hash
        FROM wanted w
        WHERE s.tenant_id = $1 AND s.dataset_id = $2 AND s.example_id = w.example_id
          AND w.part NOT IN (SELECT part FROM stale)
        """,
        tenant,
        dataset_id,
        [number for number, _ in rows],
        [one.member.example_id for _, one in rows],
        [one.member.changed_at for _, one in rows],
        [one.group.id if one.group else None for _, one in rows],
        [one.group.split_hash if one.group else None for _, one in rows],
    )


async def groups_of(connection: Connection, tenant: str, examples: Sequence[UUID]) -> list[UUID]:
    """Return the groups that these examples are in."""
    rows = await connection.fetch(
        "SELECT DISTINCT group_id FROM example_signatures "
        "WHERE tenant_id = $1 AND example_id = ANY($2) AND group_id IS NOT NULL",
        tenant,
        examples,
    )
    return [row["group_id"] for row in rows]


async def mark_near(
    connection: Connection, tenant: str, dataset_id: UUID, groups: Sequence[UUID], examples: Sequence[UUID]
) -> None:
    """Make the findings of these groups, and of examples that may have left one, true again.

    A group whose members are all the same is told of as `duplicate`.
    """
    await connection.execute(
        """
        WITH member AS MATERIALIZED (
            SELECT s.example_id, s.group_id, count(*) OVER g AS size,
                min(c.content_sha256) OVER g <> max(c.content_sha256) OVER g AS differ
            FROM example_signatures s JOIN example_checks c USING (tenant_id, example_id)
            WHERE s.tenant_id = $1 AND s.dataset_id = $2 AND s.group_id = ANY($3)
            WINDOW g AS (PARTITION BY s.group_id)
        ), gone AS (
            DELETE FROM findings WHERE tenant_id = $1 AND dataset_id = $2 AND code = 'near_duplicate'
              AND (example_id = ANY($4) OR example_id IN (SELECT example_id FROM member))
              AND example_id NOT IN (SELECT example_id FROM member WHERE differ)
        )
        INSERT INTO findings AS f (tenant_id, dataset_id, example_id, code, number, severity, place)
        SELECT $1, $2, example_id, 'near_duplicate', 0, 'warning', jsonb_build_object('message_id', null,
            'field', null, 'facts', jsonb_build_object('group', group_id, 'size', size, 'others', size - 1))
        FROM member WHERE differ
        ON CONFLICT (tenant_id, dataset_id, example_id, code, number) DO UPDATE SET place = excluded.place
        WHERE f.place <> excluded.place
        """,
        tenant,
        dataset_id,
        groups,
        examples,
    )


async def group_counts(connection: Connection, tenant: str, dataset_id: UUID) -> Record:
    """Return how many groups of two or more there are, and how many examples are in them."""
    row = await connection.fetchrow(
        """
        SELECT count(*) AS near_duplicate_groups, coalesce(sum(size), 0)::bigint AS near_duplicates FROM (
            SELECT count(*) AS size FROM example_signatures
            WHERE tenant_id = $1 AND dataset_id = $2 AND group_id IS NOT NULL
            GROUP BY group_id HAVING count(*) > 1
        ) g
        """,
        tenant,
        dataset_id,
    )
    if row is None:
        raise RuntimeError("an aggregate returned no row")
    return row
