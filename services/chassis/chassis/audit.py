"""The audit trail: who changed what, when; never the text or the key that was changed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis.database import Connection


async def record(
    connection: Connection, *, tenant: str, subject: str, action: str, object_id: str, **details: Any
) -> None:
    """Note one change in the transaction that makes it."""
    await connection.execute(
        "INSERT INTO audit (tenant_id, id, subject, action, object_id, details) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        tenant,
        uuid7(),
        subject,
        action,
        object_id,
        details,
    )


async def page(connection: Connection, tenant: str, limit: int, cursor: UUID | None) -> list[dict[str, Any]]:
    """Return up to `limit` entries, newest first, older than the entry `cursor`."""
    rows = await connection.fetch(
        "SELECT id, at, subject, action, object_id, details FROM audit "
        "WHERE tenant_id = $1 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $2",
        tenant,
        limit,
        cursor,
    )
    return [{**row, "id": str(row["id"]), "at": row["at"].isoformat()} for row in rows]
