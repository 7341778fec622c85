"""SQL of candidates, ratings, tombstones and requests for revisions that have not arrived."""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection


def dialog_hmac(tenant: str, dialog_id: str) -> bytes:
    """Return what a tombstone holds instead of the dialog's id."""
    return hmac.new(tenant.encode(), dialog_id.encode(), hashlib.sha256).digest()


async def lock_dialog(connection: Connection, tenant: str, dialog_id: str) -> None:
    """Let one transaction at a time match this dialog's candidates with who waits for them."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 7))", f"{tenant}\x1f{dialog_id}"
    )


async def is_erased(connection: Connection, tenant: str, dialog_id: str) -> bool:
    """Whether the dialog was erased."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM tombstones WHERE tenant_id = $1 AND dialog_hmac = $2",
            tenant,
            dialog_hmac(tenant, dialog_id),
        )
    )


async def put_tombstone(connection: Connection, tenant: str, dialog_id: str, at: datetime) -> None:
    """Remember that the dialog was erased."""
    await connection.execute(
        "INSERT INTO tombstones (tenant_id, dialog_hmac, requested_at) VALUES ($1, $2, $3) "
        "ON CONFLICT DO NOTHING",
        tenant,
        dialog_hmac(tenant, dialog_id),
        at,
    )


async def put_candidate(connection: Connection, tenant: str, candidate: dict[str, Any]) -> None:
    """Keep one revision of a dialog's branch; the same one again only refreshes its outcome."""
    await connection.execute(
        """
        INSERT INTO candidates (tenant_id, dialog_id, revision, branch, agent_id, source, outcome,
            message_count, ended_at, transcript, uri, sha256)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        ON CONFLICT (tenant_id, dialog_id, revision, branch)
        DO UPDATE SET outcome = excluded.outcome, ended_at = excluded.ended_at
        """,
        tenant,
        candidate["dialog_id"],
        candidate["revision"],
        candidate["branch"],
        candidate["agent_id"],
        candidate["source"],
        candidate["outcome"],
        candidate["message_count"],
        candidate["ended_at"],
        candidate["transcript"],
        candidate["uri"],
        candidate["sha256"],
    )


async def transcript_of_revision(
    connection: Connection, tenant: str, dialog_id: str, revision: int
) -> Record | None:
    """Return where the transcript of an earlier revision is."""
    return await connection.fetchrow(
        "SELECT transcript, uri, sha256 FROM candidates "
        "WHERE tenant_id = $1 AND dialog_id = $2 AND revision = $3 ORDER BY received_at DESC LIMIT 1",
        tenant,
        dialog_id,
        revision,
    )


async def find_candidate(
    connection: Connection, tenant: str, agent_id: str, dialog_id: str, revision: int
) -> Record | None:
    """Return the agent's candidate of this revision, or of the next one that came."""
    return await connection.fetchrow(
        """
        SELECT * FROM candidates
        WHERE tenant_id = $1 AND agent_id = $2 AND dialog_id = $3 AND revision >= $4
        ORDER BY revision, received_at DESC LIMIT 1
        """,
        tenant,
        agent_id,
        dialog_id,
        revision,
    )


async def put_rating(
    connection: Connection, tenant: str, dialog_id: str, message_id: str, rater: str, rating: str
) -> None:
    """Keep the newest rating of one rater."""
    await connection.execute(
        """
        INSERT INTO ratings (tenant_id, dialog_id, message_id, rater, rating) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (tenant_id, dialog_id, message_id, rater) DO UPDATE SET rating = excluded.rating
        """,
        tenant,
        dialog_id,
        message_id,
        rater,
        rating,
    )


async def ratings_of(connection: Connection, tenant: str, dialog_id: str) -> dict[str, dict[str, str]]:
    """Return the dialog's ratings: message id ("" for the dialog) → rater → rating."""
    found: dict[str, dict[str, str]] = {}
    for row in await connection.fetch(
        "SELECT message_id, rater, rating FROM ratings WHERE tenant_id = $1 AND dialog_id = $2",
        tenant,
        dialog_id,
    ):
        found.setdefault(row["message_id"], {})[row["rater"]] = row["rating"]
    return found


async def put_pending(
    connection: Connection,
    tenant: str,
    *,
    dataset_id: UUID,
    dialog_id: str,
    revision: int,
    example_id: UUID,
    asked_by: str,
) -> UUID:
    """Remember who waits for a revision; returns the example id promised, the first one if asked again."""
    promised: UUID = await connection.fetchval(
        """
        INSERT INTO pending_examples AS p (tenant_id, dataset_id, dialog_id, revision, example_id, asked_by)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, dialog_id, revision, dataset_id) DO UPDATE SET asked_by = p.asked_by
        RETURNING example_id
        """,
        tenant,
        dataset_id,
        dialog_id,
        revision,
        example_id,
        asked_by,
    )
    return promised


async def is_pending(connection: Connection, tenant: str, example_id: UUID) -> bool:
    """Whether this example waits for its revision."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM pending_examples WHERE tenant_id = $1 AND example_id = $2", tenant, example_id
        )
    )


async def take_pending(connection: Connection, tenant: str, dialog_id: str, revision: int) -> list[Record]:
    """Take out the requests that this revision of the dialog fulfils."""
    return await connection.fetch(
        """
        DELETE FROM pending_examples p USING datasets d
        WHERE p.tenant_id = $1 AND p.dialog_id = $2 AND p.revision <= $3
          AND d.tenant_id = p.tenant_id AND d.id = p.dataset_id
        RETURNING p.dataset_id, p.example_id, p.asked_by, p.revision, d.agent_id
        """,
        tenant,
        dialog_id,
        revision,
    )


async def erase_dialog(connection: Connection, tenant: str, dialog_id: str) -> None:
    """Delete what is held of a dialog beside its examples."""
    for statement in (
        "DELETE FROM candidates WHERE tenant_id = $1 AND dialog_id = $2",
        "DELETE FROM ratings WHERE tenant_id = $1 AND dialog_id = $2",
        "DELETE FROM pending_examples WHERE tenant_id = $1 AND dialog_id = $2",
    ):
        await connection.execute(statement, tenant, dialog_id)
