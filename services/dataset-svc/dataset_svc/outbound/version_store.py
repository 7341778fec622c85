"""SQL of dataset versions: what they hold, who freezes them, which runs they are trained in."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection

PREFETCH = 64
"""Rows that the server-side cursor hands over at once: memory must not grow with the dataset."""


async def create(
    connection: Connection, tenant: str, dataset_id: UUID, agent: Record, examples: int, by: str
) -> int:
    """Add the dataset's next version, to be frozen with this agent; the dataset must be locked."""
    version: int = await connection.fetchval(
        """
        INSERT INTO dataset_versions (tenant_id, dataset_id, version, state, agent_id, agent_version, prompt,
            tools, parallel_tool_calls, prompt_fingerprint, examples, created_by)
        SELECT $1, $2, coalesce(max(version), 0) + 1, 'freezing', $3, $4, $5, $6, $7, $8, $9, $10
        FROM dataset_versions WHERE tenant_id = $1 AND dataset_id = $2
        RETURNING version
        """,
        tenant,
        dataset_id,
        agent["agent_id"],
        agent["version"],
        agent["prompt"],
        agent["tools"],
        agent["parallel_tool_calls"],
        agent["fingerprint"],
        examples,
        by,
    )
    return version


async def lock_dataset(connection: Connection, tenant: str, dataset_id: UUID) -> bool:
    """Let one transaction at a time number this dataset's versions; False when there is no such dataset."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM datasets WHERE tenant_id = $1 AND id = $2 FOR UPDATE", tenant, dataset_id
        )
    )


async def count_saved(connection: Connection, tenant: str, dataset_id: UUID) -> int:
    """Return how many examples are saved."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM examples WHERE tenant_id = $1 AND dataset_id = $2 AND state = 'saved'",
        tenant,
        dataset_id,
    )
    return count


async def pin_examples(connection: Connection, tenant: str, dataset_id: UUID, version: int) -> None:
    """Write down which revision of which example the version holds: the saved ones of now."""
    await connection.execute(
        """
        WITH pinned AS (
            INSERT INTO version_examples (tenant_id, dataset_id, version, example_id, revision)
            SELECT tenant_id, dataset_id, $3, id, saved_revision FROM examples
            WHERE tenant_id = $1 AND dataset_id = $2 AND state = 'saved'
            RETURNING 1
        )
        UPDATE dataset_versions SET examples = (SELECT count(*) FROM pinned)
        WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3
        """,
        tenant,
        dataset_id,
        version,
    )


async def get(connection: Connection, tenant: str, dataset_id: UUID, version: int) -> Record | None:
    """Return a version."""
    return await connection.fetchrow(
        "SELECT * FROM dataset_versions WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3",
        tenant,
        dataset_id,
        version,
    )


async def lock(connection: Connection, tenant: str, dataset_id: UUID, version: int) -> Record | None:
    """Return a version and let nobody change its state in this transaction."""
    return await connection.fetchrow(
        "SELECT * FROM dataset_versions WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 FOR UPDATE",
        tenant,
        dataset_id,
        version,
    )


async def list_versions(
    connection: Connection, tenant: str, dataset_id: UUID, before: int | None, limit: int
) -> list[Record]:
    """Return versions, newest first."""
    return await connection.fetch(
        """
        SELECT * FROM dataset_versions
        WHERE tenant_id = $1 AND dataset_id = $2 AND ($3::bigint IS NULL OR version < $3)
        ORDER BY version DESC LIMIT $4
        """,
        tenant,
        dataset_id,
        before,
        limit,
    )


async def claim(connection: Connection, seconds: float) -> Record | None:
    """Take the oldest version that nobody freezes; each claim has an epoch of its own."""
    return await connection.fetchrow(
        """
        UPDATE dataset_versions v
        SET epoch = v.epoch + 1, claimed_until = clock_timestamp() + make_interval(secs => $1)
        FROM (
            SELECT tenant_id, dataset_id, version FROM dataset_versions
            WHERE state = 'freezing' AND claimed_until < clock_timestamp()
            ORDER BY claimed_until, created_at LIMIT 1 FOR UPDATE SKIP LOCKED
        ) due
        WHERE v.tenant_id = due.tenant_id AND v.dataset_id = due.dataset_id AND v.version = due.version
        RETURNING v.*
        """,
        seconds,
    )


async def prolong(connection: Connection, claimed: Record, seconds: float) -> bool:
    """Keep the claim for longer; False when another took it over."""
    return bool(
        await connection.fetchval(
            """
            UPDATE dataset_versions SET claimed_until = clock_timestamp() + make_interval(secs => $5)
            WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND epoch = $4 AND state = 'freezing'
            RETURNING true
            """,
            claimed["tenant_id"],
            claimed["dataset_id"],
            claimed["version"],
            claimed["epoch"],
            seconds,
        )
    )


async def lines(connection: Connection, claimed: Record, after: UUID | None) -> AsyncGenerator[Record, None]:
    """Yield the version's lines in order of example id, from a server-side cursor."""
    async for row in connection.cursor(
        """
        SELECT v.example_id, r.line, r.tokens, r.teaches FROM version_examples v
        JOIN example_revisions r
          ON r.tenant_id = v.tenant_id AND r.example_id = v.example_id AND r.revision = v.revision
        WHERE v.tenant_id = $1 AND v.dataset_id = $2 AND v.version = $3
          AND v.example_id > coalesce($4::uuid, '00000000-0000-0000-0000-000000000000')
        ORDER BY v.example_id
        """,
        claimed["tenant_id"],
        claimed["dataset_id"],
        claimed["version"],
        after,
        prefetch=PREFETCH,
    ):
        yield row


async def finish(connection: Connection, claimed: Record, manifest: dict[str, Any]) -> bool:
    """Make the version ready; False when the claim was lost."""
    return bool(
        await connection.fetchval(
            """
            UPDATE dataset_versions SET state = 'ready', manifest = $5, ready_at = clock_timestamp()
            WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND epoch = $4 AND state = 'freezing'
            RETURNING true
            """,
            claimed["tenant_id"],
            claimed["dataset_id"],
            claimed["version"],
            claimed["epoch"],
            manifest,
        )
    )


async def fail(connection: Connection, claimed: Record, code: str) -> None:
    """Give the version up; its requests to train are over."""
    await connection.execute(
        """
        UPDATE dataset_versions SET state = 'failed', failure = $5
        WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND epoch = $4 AND state = 'freezing'
        """,
        claimed["tenant_id"],
        claimed["dataset_id"],
        claimed["version"],
        claimed["epoch"],
        code,
    )
    await connection.execute(
        """
        UPDATE train_requests SET is_final = true, status = 'failed'
        WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND published_at IS NULL
        """,
        claimed["tenant_id"],
        claimed["dataset_id"],
        claimed["version"],
    )
