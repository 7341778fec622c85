"""SQL of requests to train, and of what became of their runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
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


async def set_status(
    connection: Connection, tenant: str, run_id: UUID, status: str, run: dict[str, Any], *, final: bool
) -> bool:
    """Note what became of a run, and all that is known of it; a final status is final.

    Returns whether the run was asked for here.
    """
    return bool(
        await connection.fetchval(
            """
            UPDATE train_requests SET run = $4, status = CASE WHEN is_final THEN status ELSE $3 END,
                is_final = is_final OR $5
            WHERE tenant_id = $1 AND run_id = $2 RETURNING true
            """,
            tenant,
            run_id,
            status,
            run,
            final,
        )
    )


async def put_models(
    connection: Connection,
    tenant: str,
    run_id: UUID,
    provider: str,
    models: Mapping[str, int | None],
    at: datetime,
) -> None:
    """Keep the models that a run made: name → step, None for the final one."""
    await connection.execute(
        """
        INSERT INTO run_models (tenant_id, run_id, provider, model, step, heard_at)
        SELECT $1, $2, $3, u.model, u.step, $6 FROM unnest($4::text[], $5::bigint[]) AS u (model, step)
        ON CONFLICT (tenant_id, run_id, model) DO UPDATE SET step = excluded.step
        """,
        tenant,
        run_id,
        provider,
        list(models),
        list(models.values()),
        at,
    )
