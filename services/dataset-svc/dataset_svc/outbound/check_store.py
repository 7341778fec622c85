"""SQL of checking: which examples are due, what was found in them, and which are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection


async def next_due(connection: Connection, tenant: str, dataset_id: UUID) -> Record | None:
    """Return the dataset after this one that has examples to check: datasets take turns."""
    return await connection.fetchrow(
        "SELECT tenant_id, dataset_id FROM check_queue WHERE (tenant_id, dataset_id) > ($1, $2) "
        "ORDER BY tenant_id, dataset_id LIMIT 1",
        tenant,
        dataset_id,
    )


async def wait_turn(connection: Connection, tenant: str, dataset_id: UUID) -> None:
    """Let one transaction at a time check this dataset's examples: they are compared with each other."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 8))", f"{tenant}\x1f{dataset_id}"
    )


async def try_turn(connection: Connection, tenant: str, dataset_id: UUID) -> bool:
    """The same without waiting: False while another transaction checks this dataset."""
    return bool(
        await connection.fetchval(
            "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 8))", f"{tenant}\x1f{dataset_id}"
        )
    )


async def take_due(
    connection: Connection, tenant: str, dataset_id: UUID, limit: int, size: int, *, one_at_least: bool
) -> list[UUID]:
    """Take examples out of the queue, locked; those that somebody changes just now stay in it.

    Up to `limit` of them whose originals and drafts are `size` bytes together; with `one_at_least` the first
    one whatever its size.

    The lock comes before the queue, as it does for whoever changes an example: else the two could wait
    for each other, or a change that is not committed yet could miss its check.
    """
    rows = await connection.fetch(
        """
        WITH free AS MATERIALIZED (
            SELECT e.id, octet_length(e.original::text) + octet_length(e.draft::text) AS size FROM examples e
            WHERE e.tenant_id = $1 AND e.id = ANY (ARRAY(
                SELECT example_id FROM check_queue WHERE tenant_id = $1 AND dataset_id = $2
                ORDER BY example_id LIMIT $3
            ))
            FOR NO KEY UPDATE OF e SKIP LOCKED
        ), few AS (
            SELECT id FROM (
                SELECT id, sum(size) OVER running AS sum, row_number() OVER running AS number FROM free
                WINDOW running AS (ORDER BY id)
            ) f WHERE sum <= $4 OR (number = 1 AND $5)
        )
        DELETE FROM check_queue
        WHERE tenant_id = $1 AND dataset_id = $2 AND example_id = ANY (ARRAY(SELECT id FROM few))
        RETURNING example_id
        """,
        tenant,
        dataset_id,
        limit,
        size,
        one_at_least,
    )
    return [row["example_id"] for row in rows]


async def count_due(connection: Connection, tenant: str, dataset_id: UUID) -> int:
    """Return how many examples wait to be checked."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM check_queue WHERE tenant_id = $1 AND dataset_id = $2", tenant, dataset_id
    )
    return count


async def queue_examples(connection: Connection, which: str, *arguments: object) -> None:
    """Queue the examples `e` for which the SQL `which` holds, with its arguments from $1 on.

    Their locks come first, in order of id, as they do for whoever changes an example.
    """
    await connection.execute(
        f"""
        WITH locked AS MATERIALIZED (
            SELECT e.tenant_id, e.dataset_id, e.id FROM examples e WHERE {which}
            ORDER BY e.id FOR NO KEY UPDATE OF e
        )
        INSERT INTO check_queue (tenant_id, dataset_id, example_id)
        SELECT tenant_id, dataset_id, id FROM locked
        ON CONFLICT DO NOTHING
        """,  # noqa: S608 -- conditions of ours
        *arguments,
    )


async def queue_dataset(
    connection: Connection, tenant: str, dataset_id: UUID, longer_than: int | None
) -> None:
    """Queue a dataset's examples, all or those whose checked copy has more tokens than that."""
    await queue_examples(
        connection,
        """
        e.tenant_id = $1 AND e.dataset_id = $2 AND e.state <> 'removed' AND ($3::bigint IS NULL OR EXISTS (
            SELECT FROM example_checks c
            WHERE c.tenant_id = e.tenant_id AND c.example_id = e.id AND c.tokens > $3))
        """,
        tenant,
        dataset_id,
        longer_than,
    )


async def has_outdated(connection: Connection, tenant: str, dataset_id: UUID, scan: int) -> bool:
    """Whether an example of the dataset was looked through by older detectors than these."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM example_checks "
            "WHERE tenant_id = $1 AND dataset_id = $2 AND scan_version < $3)",
            tenant,
            dataset_id,
            scan,
        )
    )


async def next_outdated(connection: Connection, scan: int) -> Record | None:
    """Return a dataset with examples that older detectors looked through and that are not due yet."""
    return await connection.fetchrow(
        """
        SELECT c.tenant_id, c.dataset_id FROM example_checks c WHERE c.scan_version < $1 AND NOT EXISTS (
            SELECT FROM check_queue q WHERE q.tenant_id = c.tenant_id AND q.example_id = c.example_id)
        LIMIT 1
        """,
        scan,
    )


async def queue_outdated(connection: Connection, tenant: str, dataset_id: UUID, scan: int) -> None:
    """Queue what older detectors looked through."""
    await queue_examples(
        connection,
        """
        e.tenant_id = $1 AND e.id IN (
            SELECT c.example_id FROM example_checks c
            WHERE c.tenant_id = $1 AND c.dataset_id = $2 AND c.scan_version < $3)
        """,
        tenant,
        dataset_id,
        scan,
    )


async def copies(connection: Connection, tenant: str, examples: Sequence[UUID]) -> list[Record]:
    """Return the copies that count: the saved revision, or the draft of what was never saved.

    `answered_here`: whether the dataset's agent answered. Versions are numbers of one agent only, and a copy
    of another agent's example, or a line of a file, may bring those of another one.
    """
    return await connection.fetch(
        """
        SELECT e.id, e.state, e.dialog_id, e.original::text, e.ratings::text,
            CASE e.state WHEN 'saved' THEN e.saved_revision ELSE e.draft_revision END AS revision,
            coalesce(r.messages, e.draft)::text AS messages,
            EXISTS (
                SELECT FROM candidates a JOIN datasets d USING (tenant_id, agent_id)
                WHERE a.tenant_id = e.tenant_id AND a.dialog_id = e.dialog_id AND d.id = e.dataset_id
            ) AS answered_here
        FROM examples e LEFT JOIN example_revisions r
          ON e.state = 'saved' AND r.tenant_id = e.tenant_id AND r.example_id = e.id
          AND r.revision = e.saved_revision
        WHERE e.tenant_id = $1 AND e.id = ANY($2) AND e.state <> 'removed'
        """,
        tenant,
        examples,
    )


async def forget(
    connection: Connection, tenant: str, examples: Sequence[UUID]
) -> tuple[set[bytes], set[bytes]]:
    """Delete what was found in these examples; returns the contents they had, the questions answered."""
    row = await connection.fetchrow(
        """
        WITH gone AS (
            DELETE FROM example_checks WHERE tenant_id = $1 AND example_id = ANY($2) RETURNING content_sha256
        )
        SELECT (SELECT array_agg(content_sha256) FROM gone) AS contents, (
            SELECT array_agg(question) FROM corrected_answers WHERE tenant_id = $1 AND example_id = ANY($2)
        ) AS questions
        """,
        tenant,
        examples,
    )
    return (set(row["contents"] or ()), set(row["questions"] or ())) if row else (set(), set())


async def put_checks(
    connection: Connection, tenant: str, dataset_id: UUID, checks: Sequence[tuple[Any, ...]]
) -> None:
    """Store checked copies.

    Each is (example, state, revision, dialog key, split hash, content, tokens, answered under, scan).
    """
    await connection.execute(
        """
        INSERT INTO example_checks (tenant_id, dataset_id, example_id, state, revision, dialog_key,
            split_hash, content_sha256, tokens, answered_under, scan_version)
        SELECT $1, $2, * FROM unnest($3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::bytea[],
            $8::bytea[], $9::bigint[], $10::bigint[], $11::int[])
        """,
        tenant,
        dataset_id,
        *map(list, zip(*checks, strict=True)),
    )


async def put_findings(
    connection: Connection, tenant: str, dataset_id: UUID, findings: Sequence[tuple[Any, ...]]
) -> None:
    """Store findings: (example, code, number, severity, place)."""
    await connection.execute(
        """
        INSERT INTO findings (tenant_id, dataset_id, example_id, code, number, severity, place)
        SELECT $1, $2, * FROM unnest($3::uuid[], $4::text[], $5::int[], $6::text[], $7::jsonb[])
        """,
        tenant,
        dataset_id,
        *map(list, zip(*findings, strict=True)),
    )


async def put_corrected(
    connection: Connection, tenant: str, dataset_id: UUID, corrected: Sequence[tuple[Any, ...]]
) -> None:
    """Store corrected answers: (example, number, message, question, answer)."""
    await connection.execute(
        """
        INSERT INTO corrected_answers
            (tenant_id, dataset_id, example_id, number, message_id, question, answer)
        SELECT $1, $2, * FROM unnest($3::uuid[], $4::int[], $5::text[], $6::bytea[], $7::bytea[])
        """,
        tenant,
        dataset_id,
        *map(list, zip(*corrected, strict=True)),
    )


async def mark_duplicates(
    connection: Connection, tenant: str, dataset_id: UUID, contents: Sequence[bytes]
) -> None:
    """Note which saved examples with these contents are the same as another one, and which no longer."""
    await connection.execute(
        """
        WITH same AS (
            SELECT example_id, count(*) OVER (PARTITION BY content_sha256) > 1 AS is_one
            FROM example_checks
            WHERE tenant_id = $1 AND dataset_id = $2 AND state = 'saved' AND content_sha256 = ANY($3)
        ), gone AS (
            DELETE FROM findings
            WHERE tenant_id = $1 AND dataset_id = $2 AND code = 'duplicate'
              AND example_id = ANY (ARRAY(SELECT example_id FROM same WHERE NOT is_one))
        )
        INSERT INTO findings (tenant_id, dataset_id, example_id, code, number, severity, place)
        SELECT $1, $2, example_id, 'duplicate', 0, 'warning',
            '{"message_id": null, "field": null, "facts": {}}'
        FROM same WHERE is_one ON CONFLICT DO NOTHING
        """,
        tenant,
        dataset_id,
        contents,
    )


async def mark_contradictions(
    connection: Connection, tenant: str, dataset_id: UUID, questions: Sequence[bytes]
) -> None:
    """Note which corrected answers to these questions contradict another one, and which no longer."""
    await connection.execute(
        """
        WITH answered AS (
            SELECT a.example_id, a.number, a.message_id,
                min(a.answer) OVER q <> max(a.answer) OVER q AS is_one
            FROM corrected_answers a JOIN example_checks c USING (tenant_id, example_id)
            WHERE a.tenant_id = $1 AND a.dataset_id = $2 AND a.question = ANY($3) AND c.state = 'saved'
            WINDOW q AS (PARTITION BY a.question)
        ), gone AS (
            DELETE FROM findings
            WHERE tenant_id = $1 AND dataset_id = $2 AND code = 'contradiction'
              AND example_id = ANY (ARRAY(SELECT example_id FROM answered WHERE NOT is_one))
              AND (example_id, number) IN (SELECT example_id, number FROM answered WHERE NOT is_one)
        )
        INSERT INTO findings (tenant_id, dataset_id, example_id, code, number, severity, place)
        SELECT $1, $2, example_id, 'contradiction', number, 'warning',
            jsonb_build_object('message_id', message_id, 'field', 'content', 'facts', '{}'::jsonb)
        FROM answered WHERE is_one ON CONFLICT DO NOTHING
        """,
        tenant,
        dataset_id,
        questions,
    )
