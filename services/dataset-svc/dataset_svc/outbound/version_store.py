"""SQL of dataset versions: what they hold, who freezes them, which runs they are trained in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection

SPLIT = """
    SELECT example_id, revision, tokens, content_sha256, answered_under, has_twin, is_near,
        part, is_near AND (split_hash < $3) <> (part = 'validation') AS is_moved
    FROM (
        SELECT *, CASE WHEN coalesce(group_split_hash, split_hash) < $3
                AND NOT bool_or(trains) OVER (PARTITION BY dialog_key)
            THEN 'validation' ELSE 'training' END AS part
        FROM (
            SELECT *, bool_or(has_twin OR is_mixed) OVER near AS trains, count(*) OVER near > 1 AS is_near
            FROM (
                SELECT c.*, s.group_id, s.group_split_hash,
                    min(c.dialog_key) OVER twins <> max(c.dialog_key) OVER twins AS has_twin,
                    min(coalesce(s.group_id::text, '')) OVER dialog
                        <> max(coalesce(s.group_id::text, '')) OVER dialog AS is_mixed
                FROM example_checks c LEFT JOIN example_signatures s USING (tenant_id, example_id)
                WHERE c.tenant_id = $1 AND c.dataset_id = $2 AND c.state = 'saved'
                  AND c.example_id <> ALL($4::uuid[])
                WINDOW twins AS (PARTITION BY c.content_sha256), dialog AS (PARTITION BY c.dialog_key)
            ) a WINDOW near AS (PARTITION BY coalesce(group_id, example_id))
        ) b
    ) p
"""
"""The saved examples that are not excluded, each on its side: near duplicates together.
What is the same in two dialogs trains, and so does a group when a dialog of it has examples outside of it:
else one side would follow from the other without end. `is_moved`: its own dialog would be on the other side.
"""


async def create(
    connection: Connection,
    tenant: str,
    dataset_id: UUID,
    agent: Mapping[str, Any],
    *,
    settings: dict[str, Any],
    warnings: list[dict[str, Any]],
    by: str,
) -> int:
    """Add the dataset's next version, to be frozen with this agent; the dataset must be locked."""
    version: int = await connection.fetchval(
        """
        INSERT INTO dataset_versions (tenant_id, dataset_id, version, state, agent_id, agent_version, prompt,
            tools, parallel_tool_calls, prompt_fingerprint, settings, warnings, examples, created_by)
        SELECT $1, $2, coalesce(max(version), 0) + 1, 'freezing', $3, $4, $5, $6, $7, $8, $9, $10, 0, $11
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
        settings,
        warnings,
        by,
    )
    return version


async def lock_dataset(connection: Connection, tenant: str, dataset_id: UUID) -> bool:
    """Let one transaction at a time number this dataset's versions; False when there is no such dataset."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM datasets WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE",
            tenant,
            dataset_id,
        )
    )


async def split_counts(
    connection: Connection, tenant: str, dataset_id: UUID, threshold: bytes, without: Sequence[UUID]
) -> Record:
    """Return how many examples and tokens each side of a split would hold."""
    row = await connection.fetchrow(
        f"""
        SELECT count(*) FILTER (WHERE part = 'training') AS training,
            count(*) FILTER (WHERE part = 'validation') AS validation,
            coalesce(sum(tokens) FILTER (WHERE part = 'training'), 0)::bigint AS training_tokens,
            coalesce(sum(tokens) FILTER (WHERE part = 'validation'), 0)::bigint AS validation_tokens,
            count(*) FILTER (WHERE has_twin) AS twins, count(*) FILTER (WHERE is_near) AS near_duplicates,
            count(*) FILTER (WHERE is_moved) AS moved
        FROM ({SPLIT}) s
        """,  # noqa: S608 -- SPLIT is a literal
        tenant,
        dataset_id,
        threshold,
        without,
    )
    if row is None:
        raise RuntimeError("an aggregate returned no row")
    return row


async def count_saved(connection: Connection, tenant: str, dataset_id: UUID, without: Sequence[UUID]) -> int:
    """Return how many saved examples were checked, the excluded ones left out."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM example_checks WHERE tenant_id = $1 AND dataset_id = $2 AND state = 'saved' "
        "AND example_id <> ALL($3)",
        tenant,
        dataset_id,
        without,
    )
    return count


async def unknown_versions(
    connection: Connection, tenant: str, dataset_id: UUID, agent_id: str, without: Sequence[UUID]
) -> list[int]:
    """Return versions of the agent that examples were answered under but that were never heard of."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT c.answered_under FROM example_checks c
        LEFT JOIN agent_versions a
          ON a.tenant_id = c.tenant_id AND a.agent_id = $3 AND a.version = c.answered_under
        WHERE c.tenant_id = $1 AND c.dataset_id = $2 AND c.state = 'saved' AND c.example_id <> ALL($4::uuid[])
          AND c.answered_under IS NOT NULL AND a.version IS NULL
        ORDER BY 1 LIMIT 20
        """,
        tenant,
        dataset_id,
        agent_id,
        without,
    )
    return [row["answered_under"] for row in rows]


async def pin_examples(
    connection: Connection,
    tenant: str,
    dataset_id: UUID,
    threshold: bytes,
    without: Sequence[UUID],
    *,
    version: int,
    agent_version: int,
    as_recorded: bool,
) -> int:
    """Write down which revision of which example the version holds, and where; returns how many."""
    count: int = await connection.fetchval(
        f"""
        WITH pinned AS (
            INSERT INTO version_examples (tenant_id, dataset_id, version, example_id, revision, part,
                agent_version, position, content_sha256)
            SELECT $1, $2, $5, example_id, revision, part, under,
                row_number() OVER (PARTITION BY part, under ORDER BY example_id) - 1, content_sha256
            FROM (
                SELECT *, CASE WHEN $7 THEN coalesce(answered_under, $6) ELSE $6 END AS under
                FROM ({SPLIT}) s
            ) p
            RETURNING 1
        )
        UPDATE dataset_versions SET examples = (SELECT count(*) FROM pinned)
        WHERE tenant_id = $1 AND dataset_id = $2 AND version = $5
        RETURNING examples
        """,  # noqa: S608 -- SPLIT is a literal
        tenant,
        dataset_id,
        threshold,
        without,
        version,
        agent_version,
        as_recorded,
    )
    return count


def as_agent(version: Record) -> dict[str, Any]:
    """Return the agent with which a version was frozen, as `create` takes it."""
    return {
        "agent_id": version["agent_id"],
        "version": version["agent_version"],
        "prompt": version["prompt"],
        "tools": version["tools"],
        "parallel_tool_calls": version["parallel_tool_calls"],
        "fingerprint": version["prompt_fingerprint"],
    }


async def pin_left(connection: Connection, tenant: str, dataset_id: UUID, old: int, new: int) -> None:
    """Let version `new` hold what is left of `old`: the lines close up, else nothing moves."""
    await connection.execute(
        """
        WITH pinned AS (
            INSERT INTO version_examples (tenant_id, dataset_id, version, example_id, revision, part,
                agent_version, position, content_sha256)
            SELECT v.tenant_id, v.dataset_id, $4, v.example_id, v.revision, v.part, v.agent_version,
                row_number() OVER (PARTITION BY v.part, v.agent_version ORDER BY v.position) - 1,
                v.content_sha256
            FROM version_examples v
            JOIN example_revisions r
              ON r.tenant_id = v.tenant_id AND r.example_id = v.example_id AND r.revision = v.revision
            WHERE v.tenant_id = $1 AND v.dataset_id = $2 AND v.version = $3
            RETURNING 1
        )
        UPDATE dataset_versions SET examples = (SELECT count(*) FROM pinned)
        WHERE tenant_id = $1 AND dataset_id = $2 AND version = $4
        """,
        tenant,
        dataset_id,
        old,
        new,
    )


async def get(connection: Connection, tenant: str, dataset_id: UUID, version: int) -> Record | None:
    """Return a version."""
    return await connection.fetchrow(
        "SELECT * FROM dataset_versions WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3",
        tenant,
        dataset_id,
        version,
    )


async def part_counts(connection: Connection, tenant: str, dataset_id: UUID, version: int) -> dict[str, int]:
    """Return how many examples were pinned for each file of a version."""
    rows = await connection.fetch(
        "SELECT part, count(*) AS examples FROM version_examples "
        "WHERE tenant_id = $1 AND dataset_id = $2 AND version = $3 GROUP BY part",
        tenant,
        dataset_id,
        version,
    )
    return {row["part"]: row["examples"] for row in rows}


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
