"""SQL of freezing: who writes a version, from what, and how it ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from asyncpg import Record

from chassis.database import Connection

BLOCK = 32
"""Lines that the server joins into one row."""
PREFETCH = 4
"""Rows that the server-side cursor hands over at once: memory must not grow with the dataset."""


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


async def stretches(connection: Connection, claimed: Record) -> list[Record]:
    """Return the version's stretches in the order of its files: part, agent version, how many lines."""
    return await connection.fetch(
        """
        SELECT v.part, v.agent_version, v.lines, a.prompt, a.tools, a.parallel_tool_calls
        FROM (
            SELECT part, agent_version, max(position) + 1 AS lines FROM version_examples
            WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 GROUP BY part, agent_version
        ) v LEFT JOIN agent_versions a
          ON a.tenant_id = $1 AND a.agent_id = $4 AND a.version = v.agent_version
        ORDER BY v.part, v.agent_version
        """,
        claimed["tenant_id"],
        claimed["dataset_id"],
        claimed["version"],
        claimed["agent_id"],
    )


async def blocks(
    connection: Connection, claimed: Record, stretch: Record, first: int, around: int, limit: int
) -> AsyncGenerator[Record, None]:
    """Yield a stretch's blocks of lines from `first` on, from a server-side cursor.

    `tokens` counts `around` (prompt and functions) with each line, and at most `limit` a line.
    """
    async for row in connection.cursor(
        """
        SELECT b.number, found.* FROM generate_series($6::bigint, $7::bigint) AS b (number), LATERAL (
            SELECT string_agg(r.line, E'\n' ORDER BY v.position) AS lines, count(*) AS examples,
                coalesce(sum(least(r.tokens + $8, $9)), 0)::bigint AS tokens,
                coalesce(sum(r.teaches), 0)::bigint AS teaches
            FROM version_examples v
            JOIN example_revisions r
              ON r.tenant_id = v.tenant_id AND r.example_id = v.example_id AND r.revision = v.revision
            WHERE v.tenant_id = $1 AND v.dataset_id = $2 AND v.version = $3 AND v.part = $4
              AND v.agent_version = $5
              AND v.position >= b.number * $10::bigint AND v.position < (b.number + 1) * $10::bigint
        ) found
        """,
        claimed["tenant_id"],
        claimed["dataset_id"],
        claimed["version"],
        stretch["part"],
        stretch["agent_version"],
        first,
        (stretch["lines"] - 1) // BLOCK,
        around,
        limit,
        BLOCK,
        prefetch=PREFETCH,
    ):
        yield row


async def listed(
    connection: Connection, claimed: Record, stretch: Record, first: int
) -> AsyncGenerator[Record, None]:
    """Yield what a stretch holds in JSON lines, 1,000 a row, from a server-side cursor."""
    async for row in connection.cursor(
        """
        SELECT b.number, found.lines FROM generate_series($6::bigint, $7::bigint) AS b (number), LATERAL (
            SELECT string_agg(format('{"example_id":"%s","revision":%s,"part":"%s","agent_version":%s,'
                '"content_sha256":"%s"}', example_id, revision, part, agent_version,
                encode(content_sha256, 'hex')), E'\n' ORDER BY position) AS lines
            FROM version_examples
            WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND part = $4 AND agent_version = $5
              AND position >= b.number * 1000 AND position < (b.number + 1) * 1000
        ) found
        """,
        claimed["tenant_id"],
        claimed["dataset_id"],
        claimed["version"],
        stretch["part"],
        stretch["agent_version"],
        first,
        (stretch["lines"] - 1) // 1_000,
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


async def is_ready(connection: Connection, claimed: Record) -> bool:
    """Whether this very claim made the version ready."""
    return bool(
        await connection.fetchval(
            """
            SELECT true FROM dataset_versions
            WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND epoch = $4 AND state = 'ready'
            """,
            claimed["tenant_id"],
            claimed["dataset_id"],
            claimed["version"],
            claimed["epoch"],
        )
    )


async def count_present(connection: Connection, claimed: Record) -> int:
    """Return how many of the pinned examples no erasure has taken."""
    count: int = await connection.fetchval(
        """
        SELECT count(*) FROM version_examples v
        JOIN example_revisions r
          ON r.tenant_id = v.tenant_id AND r.example_id = v.example_id AND r.revision = v.revision
        WHERE v.tenant_id = $1 AND v.dataset_id = $2 AND v.version = $3
        """,
        claimed["tenant_id"],
        claimed["dataset_id"],
        claimed["version"],
    )
    return count


async def fail(connection: Connection, claimed: Record, code: str) -> bool:
    """Give the version up; False when the claim was lost."""
    return bool(
        await connection.fetchval(
            """
            UPDATE dataset_versions SET state = 'failed', failure = $5
            WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND epoch = $4 AND state = 'freezing'
            RETURNING true
            """,
            claimed["tenant_id"],
            claimed["dataset_id"],
            claimed["version"],
            claimed["epoch"],
            code,
        )
    )


async def end_requests(connection: Connection, claimed: Record) -> None:
    """End the requests to train on a version that was given up; `fail` has locked it."""
    await connection.execute(
        """
        UPDATE train_requests SET is_final = true, status = 'failed'
        WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 AND published_at IS NULL
        """,
        claimed["tenant_id"],
        claimed["dataset_id"],
        claimed["version"],
    )
