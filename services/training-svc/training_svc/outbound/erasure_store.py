"""All SQL about erasures: which runs were trained on what was erased, and what was said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncpg import Record

from chassis.database import Connection

Row = Record


async def put_erasures(
    connection: Connection, tenant: str, erasure_ids: Sequence[str], dataset_id: str, version: int
) -> None:
    """Note that these erasures took something out of a version; they are reported on anew."""
    await connection.execute(
        """
        INSERT INTO erasures AS e (tenant_id, erasure_id)
        SELECT $1, id FROM unnest($2::uuid[]) AS id ORDER BY id
        ON CONFLICT (tenant_id, erasure_id) DO UPDATE
        SET is_done = false, told_at = clock_timestamp(), look_at = clock_timestamp()
        """,
        tenant,
        list(erasure_ids),
    )
    await connection.execute(
        "INSERT INTO erased_versions SELECT $1, id, $3, $4 FROM unnest($2::uuid[]) AS id "
        "ON CONFLICT DO NOTHING",
        tenant,
        list(erasure_ids),
        dataset_id,
        version,
    )


async def claim(connection: Connection, pause: float, limit: int) -> list[Record]:
    """Take open erasures, those that wait longest.

    They are to be looked at again after `pause` seconds, or later the longer they are open, up to 5 minutes.
    """
    return await connection.fetch(
        """
        UPDATE erasures e SET look_at = clock_timestamp() + make_interval(secs => least(300, greatest(
            $1, extract(epoch FROM clock_timestamp() - told_at)::double precision / 20)))
        FROM (
            SELECT tenant_id, erasure_id FROM erasures WHERE NOT is_done AND look_at <= clock_timestamp()
            ORDER BY look_at LIMIT $2 FOR UPDATE SKIP LOCKED
        ) due
        WHERE e.tenant_id = due.tenant_id AND e.erasure_id = due.erasure_id
        RETURNING e.tenant_id, e.erasure_id, e.reported
        """,
        pause,
        limit,
    )


async def versions_of(connection: Connection, tenant: str, erasure_id: str) -> list[Record]:
    """Return the versions (dataset_id, version) that held what was erased."""
    return await connection.fetch(
        "SELECT dataset_id, version FROM erased_versions WHERE tenant_id = $1 AND erasure_id = $2 "
        "ORDER BY dataset_id, version",
        tenant,
        erasure_id,
    )


async def runs_of(connection: Connection, tenant: str, erasure_id: str) -> list[Record]:
    """Return the runs of those versions and those that went on from their models, with files and models.

    `own`: trained on the version itself, so that its files hold what was erased.
    """
    return await connection.fetch(
        """
        WITH RECURSIVE trained AS (
            SELECT r.run_id, true AS own FROM erased_versions v
            JOIN runs r ON r.tenant_id = v.tenant_id AND r.dataset_id = v.dataset_id AND r.version = v.version
            WHERE v.tenant_id = $1 AND v.erasure_id = $2
            UNION
            SELECT r.run_id, false
            FROM trained t JOIN runs r ON r.tenant_id = $1 AND r.parent_run_id = t.run_id
        ), reached AS (
            SELECT run_id, bool_or(own) AS own FROM trained GROUP BY run_id
        )
        SELECT r.run_id, r.status, r.training_file_id, r.validation_file_id, r.files_state, t.own, ARRAY(
            SELECT m.name FROM models m WHERE m.tenant_id = $1 AND m.run_id = r.run_id
            ORDER BY m.created_at, m.model_id) AS models
        FROM reached t JOIN runs r ON r.tenant_id = $1 AND r.run_id = t.run_id ORDER BY r.run_id
        """,
        tenant,
        erasure_id,
    )


async def note_reported(
    connection: Connection, tenant: str, erasure_id: str, reported: dict[str, Any], *, done: bool
) -> None:
    """Remember what was said last."""
    await connection.execute(
        "UPDATE erasures SET reported = $3, is_done = $4 WHERE tenant_id = $1 AND erasure_id = $2",
        tenant,
        erasure_id,
        reported,
        done,
    )
