"""SQL of saved revisions, which never change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection
from chassis.tombstones import digest


async def put_revision(connection: Connection, tenant: str, example: Record, saved: dict[str, Any]) -> int:
    """Store the next saved revision; returns its number. The example must be locked.

    Which dialog it came of is noted in a way that the dialog's erasure leaves.
    """
    dialog_id = example["dialog_id"] or example["copied_dialog_id"]
    revision: int = await connection.fetchval(
        """
        WITH origin AS (
            INSERT INTO example_origins (tenant_id, dialog_hmac, example_id, dataset_id)
            SELECT $1, $12, $2, $13 WHERE $12::bytea IS NOT NULL ON CONFLICT DO NOTHING
        )
        INSERT INTO example_revisions (tenant_id, example_id, revision, dialog_id, origin_revision,
            origin_count, messages, line, tokens, teaches, answers, saved_by)
        SELECT $1, $2, coalesce(max(revision), 0) + 1, $3, $4, $5, $6, $7, $8, $9, $10, $11
        FROM example_revisions WHERE tenant_id = $1 AND example_id = $2
        RETURNING revision
        """,
        tenant,
        example["id"],
        dialog_id,
        example["origin_revision"],
        example["origin_count"],
        saved["messages"],
        saved["line"],
        saved["tokens"],
        saved["teaches"],
        saved["answers"],
        saved["by"],
        digest(tenant, dialog_id) if dialog_id is not None else None,
        example["dataset_id"],
    )
    return revision


async def get_revision(connection: Connection, tenant: str, example_id: UUID, revision: int) -> Record | None:
    """Return a saved revision."""
    return await connection.fetchrow(
        "SELECT * FROM example_revisions WHERE tenant_id = $1 AND example_id = $2 AND revision = $3",
        tenant,
        example_id,
        revision,
    )


async def list_revisions(
    connection: Connection, tenant: str, example_id: UUID, before: int | None, limit: int
) -> list[Record]:
    """Return saved revisions, newest first."""
    return await connection.fetch(
        """
        SELECT revision, tokens, teaches, answers, saved_by, saved_at, messages FROM example_revisions
        WHERE tenant_id = $1 AND example_id = $2 AND ($3::bigint IS NULL OR revision < $3)
        ORDER BY revision DESC LIMIT $4
        """,
        tenant,
        example_id,
        before,
        limit,
    )


async def delete_of_dialogs(connection: Connection, slots: Sequence[tuple[str, str]]) -> list[Record]:
    """Delete what was saved of these dialogs (tenant, dialog), also where versions hold it.

    Returns how many revisions of which examples: of one that was removed only those may be left.
    """
    return await connection.fetch(
        """
        WITH gone AS (
            DELETE FROM example_revisions r USING unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
            WHERE r.tenant_id = w.tenant_id AND r.dialog_id = w.dialog_id
            RETURNING r.tenant_id, r.example_id, r.dialog_id
        )
        SELECT tenant_id, example_id, dialog_id, count(*) AS revisions FROM gone GROUP BY 1, 2, 3
        """,
        [tenant for tenant, _ in slots],
        [dialog_id for _, dialog_id in slots],
    )
