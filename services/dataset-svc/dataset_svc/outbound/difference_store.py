"""SQL of what differs between two versions."""

from __future__ import annotations

from uuid import UUID

from asyncpg import Record

from chassis.database import Connection

DIFFERENCE = """
    SELECT example_id, a.revision AS revision_before,
        b.revision AS revision_after, a.part AS part_before, b.part AS part_after,
        CASE WHEN a.example_id IS NULL THEN 'added' WHEN b.example_id IS NULL THEN 'removed'
            WHEN a.content_sha256 <> b.content_sha256 THEN 'changed'
            WHEN a.part <> b.part THEN 'moved' ELSE 'same' END AS change
    FROM (SELECT * FROM version_examples WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3) a
    FULL JOIN (SELECT * FROM version_examples WHERE tenant_id = $1 AND dataset_id = $2 AND version = $4) b
      USING (example_id)
"""
"""Each example of two versions, and how the second differs from the first."""


async def count_differences(
    connection: Connection, tenant: str, dataset_id: UUID, one: int, other: int
) -> Record:
    """Return how many examples the other version adds, lacks, and holds in another content or place."""
    row = await connection.fetchrow(
        f"""
        SELECT count(*) FILTER (WHERE change = 'added') AS added,
            count(*) FILTER (WHERE change = 'removed') AS removed,
            count(*) FILTER (WHERE change = 'changed') AS changed,
            count(*) FILTER (WHERE change = 'moved') AS moved,
            count(*) FILTER (WHERE change = 'same') AS same
        FROM ({DIFFERENCE}) d
        """,  # noqa: S608 -- DIFFERENCE is a literal
        tenant,
        dataset_id,
        one,
        other,
    )
    if row is None:
        raise RuntimeError("an aggregate returned no row")
    return row


async def differences(
    connection: Connection,
    tenant: str,
    dataset_id: UUID,
    one: int,
    other: int,
    after: UUID | None,
    limit: int,
) -> list[Record]:
    """Return examples that differ, in order of id, with the messages of both revisions (null: not there)."""
    return await connection.fetch(
        f"""
        SELECT d.*, a.messages AS before, b.messages AS after FROM (
            SELECT * FROM ({DIFFERENCE}) d
            WHERE change <> 'same' AND ($5::uuid IS NULL OR example_id > $5) ORDER BY example_id LIMIT $6
        ) d
        LEFT JOIN example_revisions a
          ON a.tenant_id = $1 AND a.example_id = d.example_id AND a.revision = d.revision_before
        LEFT JOIN example_revisions b
          ON b.tenant_id = $1 AND b.example_id = d.example_id AND b.revision = d.revision_after
        ORDER BY d.example_id
        """,  # noqa: S608 -- DIFFERENCE is a literal
        tenant,
        dataset_id,
        one,
        other,
        after,
        limit,
    )
