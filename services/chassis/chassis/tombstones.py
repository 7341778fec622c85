"""Tombstones: what was erased, by a hash of its id, so that nothing of it comes back."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection

Slot = tuple[str, str]  # tenant, id


class Tombstone(NamedTuple):
    """One thing that was erased; `erasure_id` is what reports about it name."""

    tenant: str
    kind: str
    subject: str
    requested_at: datetime
    erasure_id: UUID | None


def digest(tenant: str, subject: str) -> bytes:
    """Return what a tombstone holds instead of the id."""
    return hmac.new(tenant.encode(), subject.encode(), hashlib.sha256).digest()


async def put(connection: Connection, stones: Sequence[Tombstone]) -> None:
    """Remember that these were erased; asked again, the newest request counts."""
    newest = {(one.tenant, one.kind, one.subject): one for one in stones}
    await connection.execute(
        """
        INSERT INTO tombstones AS t (tenant_id, kind, subject_hmac, erasure_id, requested_at)
        SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::uuid[], $5::timestamptz[])
        ORDER BY 1, 2, 3
        ON CONFLICT (tenant_id, kind, subject_hmac) DO UPDATE SET
            requested_at = greatest(t.requested_at, excluded.requested_at),
            erasure_id = coalesce(excluded.erasure_id, t.erasure_id)
        """,
        [one.tenant for one in newest.values()],
        [one.kind for one in newest.values()],
        [digest(one.tenant, one.subject) for one in newest.values()],
        [one.erasure_id for one in newest.values()],
        [one.requested_at for one in newest.values()],
    )


async def find(connection: Connection, kind: str, slots: Iterable[Slot]) -> dict[Slot, Record]:
    """Return (erasure_id, requested_at, heard_at) of those that were erased."""
    known = {(tenant, digest(tenant, subject)): (tenant, subject) for tenant, subject in slots}
    if not known:
        return {}
    rows = await connection.fetch(
        """
        SELECT t.tenant_id, t.subject_hmac, t.erasure_id, t.requested_at, t.heard_at
        FROM unnest($1::text[], $2::bytea[]) AS w (tenant_id, subject_hmac)
        JOIN tombstones t USING (tenant_id, subject_hmac) WHERE t.kind = $3
        """,
        [tenant for tenant, _ in known],
        [hashed for _, hashed in known],
        kind,
    )
    return {known[row["tenant_id"], bytes(row["subject_hmac"])]: row for row in rows}


async def note_heard(connection: Connection, kind: str, slots: Iterable[Slot]) -> list[Record]:
    """Note that something of erased ones came and was dropped; returns (tenant_id, erasure_id, heard_at)."""
    wanted = sorted({(tenant, digest(tenant, subject)) for tenant, subject in slots})
    if not wanted:
        return []
    return await connection.fetch(
        """
        WITH held AS (
            SELECT t.tenant_id, t.subject_hmac
            FROM unnest($1::text[], $2::bytea[]) AS w (tenant_id, subject_hmac)
            JOIN tombstones t USING (tenant_id, subject_hmac)
            WHERE t.kind = $3 ORDER BY 1, 2 FOR UPDATE OF t
        )
        UPDATE tombstones t SET heard_at = clock_timestamp() FROM held h
        WHERE t.tenant_id = h.tenant_id AND t.kind = $3 AND t.subject_hmac = h.subject_hmac
        RETURNING t.tenant_id, t.erasure_id, t.heard_at
        """,
        [tenant for tenant, _ in wanted],
        [hashed for _, hashed in wanted],
        kind,
    )
