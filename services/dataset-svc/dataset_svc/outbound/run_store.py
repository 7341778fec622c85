"""SQL of requests to train, and of what became of their runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection


async def running(
    connection: Connection, tenant: str, dataset_id: UUID, version: int, provider: str, digest: str
) -> UUID | None:
    """Return the run that is not final with the same version, provider and settings."""
    run_id: UUID | None = await connection.fetchval(
        """
        SELECT run_id FROM train_requests
        WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND provider = $4
          AND settings_sha256 = $5 AND NOT is_final
        """,
        tenant,
        dataset_id,
        version,
        provider,
        digest,
    )
    return run_id


async def insert(
    connection: Connection,
    tenant: str,
    *,
    run_id: UUID,
    dataset_id: UUID,
    version: int,
    provider: str,
    digest: str,
    settings: dict[str, Any],
    by: str,
) -> None:
    """Store a request to train."""
    await connection.execute(
        """
        INSERT INTO train_requests
            (tenant_id, run_id, dataset_id, version, provider, settings_sha256, settings, asked_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        tenant,
        run_id,
        dataset_id,
        version,
        provider,
        digest,
        settings,
        by,
    )


async def take_unpublished(
    connection: Connection, tenant: str, dataset_id: UUID, version: int
) -> list[Record]:
    """Mark the version's requests as published and return them, oldest first."""
    rows = await connection.fetch(
        """
        UPDATE train_requests SET published_at = clock_timestamp()
        WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND published_at IS NULL AND NOT is_final
        RETURNING run_id, provider, settings
        """,
        tenant,
        dataset_id,
        version,
    )
    return sorted(rows, key=lambda row: str(row["run_id"]))


async def set_status(connection: Connection, tenant: str, run_id: UUID, status: str, *, final: bool) -> None:
    """Note what became of a run; final states are final."""
    await connection.execute(
        "UPDATE train_requests SET status = $3, is_final = $4 "
        "WHERE tenant_id = $1 AND run_id = $2 AND NOT is_final",
        tenant,
        run_id,
        status,
        final,
    )
