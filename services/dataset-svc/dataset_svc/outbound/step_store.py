"""SQL of the changes of working copies: who changed what, and what was before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection
from dataset_svc.domain.steps import Kind

MOST_STEPS = 50
"""Changes of one example that can be taken back."""


async def put_change(
    connection: Connection,
    tenant: str,
    example_id: UUID,
    *,
    revision: int,
    by: str,
    changes: list[Any],
    step: Kind,
    before: Mapping[str, Any] | None,
) -> None:
    """Remember who changed what in the working copy, and what was before, if that can be taken back.

    No editor is more than 200 changes behind. A change that cannot be taken back ends the way back: what was
    before earlier ones is forgotten, and so it is of the 51st.
    """
    await connection.execute(
        """
        WITH old AS (
            DELETE FROM draft_changes
            WHERE tenant_id = $1 AND example_id = $2 AND draft_revision <= $3 - 200
        ), forgotten AS (
            UPDATE draft_changes SET before = NULL
            WHERE tenant_id = $1 AND example_id = $2 AND draft_revision > $3 - 200 AND before IS NOT NULL
              AND (draft_revision <= $3 - $8 OR $7::jsonb IS NULL)
        )
        INSERT INTO draft_changes (tenant_id, example_id, draft_revision, changed_by, changes, step, before)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        tenant,
        example_id,
        revision,
        by,
        changes,
        step,
        None if before is None else dict(before),
        MOST_STEPS,
    )


async def changes_since(connection: Connection, tenant: str, example_id: UUID, revision: int) -> list[Record]:
    """Return up to 20 changes of the working copy after `revision`, newest first."""
    return await connection.fetch(
        """
        SELECT draft_revision, changed_by, changed_at, changes FROM draft_changes
        WHERE tenant_id = $1 AND example_id = $2 AND draft_revision > $3
        ORDER BY draft_revision DESC LIMIT 20
        """,
        tenant,
        example_id,
        revision,
    )


async def steps(connection: Connection, tenant: str, example_id: UUID) -> list[Record]:
    """Return the changes of the working copy, newest first: `draft_revision`, `step` and `known`."""
    return await connection.fetch(
        """
        SELECT draft_revision, step, before IS NOT NULL AS known FROM draft_changes
        WHERE tenant_id = $1 AND example_id = $2 ORDER BY draft_revision DESC
        """,
        tenant,
        example_id,
    )


async def before(connection: Connection, tenant: str, example_id: UUID, revision: int) -> dict[str, Any]:
    """Return what was before a change of which that is known."""
    found: dict[str, Any] = await connection.fetchval(
        "SELECT before FROM draft_changes WHERE tenant_id = $1 AND example_id = $2 AND draft_revision = $3",
        tenant,
        example_id,
        revision,
    )
    return found


async def forget_old(connection: Connection, days: float, limit: int) -> list[int]:
    """Forget what was before changes of so many days ago; returns the size of each."""
    rows = await connection.fetch(
        """
        UPDATE draft_changes d SET before = NULL FROM (
            SELECT tenant_id, example_id, draft_revision, pg_column_size(before) AS size FROM draft_changes
            WHERE before IS NOT NULL AND changed_at < clock_timestamp() - make_interval(secs => $1)
            ORDER BY changed_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ) old
        WHERE d.tenant_id = old.tenant_id AND d.example_id = old.example_id
          AND d.draft_revision = old.draft_revision
        RETURNING old.size
        """,
        days * 86_400,
        limit,
    )
    return [row["size"] for row in rows]
