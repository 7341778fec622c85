"""SQL of findings: counted, listed, dismissed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection


async def counts(
    connection: Connection,
    tenant: str,
    dataset_id: UUID,
    *,
    saved_only: bool,
    without: Sequence[UUID] = (),
    current_version: int | None = None,
    example_id: UUID | None = None,
) -> list[Record]:
    """Return per code: how many examples, findings and dismissed ones, and the first few examples.

    Of the whole dataset, or of one example.

    `kinds`: how often each kind of personal data stands, what was dismissed left out.

    With `current_version` examples stand as recorded: those of another version have its functions, so what
    was found by the current ones does not concern them.
    """
    return await connection.fetch(
        """
        WITH relevant AS (
            SELECT f.code, f.severity, f.example_id, d.code IS NOT NULL AS is_dismissed,
                CASE f.code WHEN 'personal_data' THEN f.place #> '{facts,kinds}' END AS kinds
            FROM findings f JOIN example_checks c USING (tenant_id, example_id)
            LEFT JOIN dismissals d ON d.tenant_id = f.tenant_id AND d.example_id = f.example_id
              AND d.code = f.code AND d.content_sha256 = c.content_sha256
            WHERE f.tenant_id = $1 AND f.dataset_id = $2 AND (NOT $3 OR c.state = 'saved')
              AND f.example_id <> ALL($4) AND ($6::uuid IS NULL OR f.example_id = $6)
              AND ($5::bigint IS NULL OR coalesce(c.answered_under, $5) = $5
                OR f.code NOT IN ('function_unknown', 'arguments_mismatch'))
        ), numbered AS (
            SELECT code, severity, example_id, is_dismissed, count(*) AS findings,
                row_number() OVER (PARTITION BY code, is_dismissed ORDER BY example_id) AS number
            FROM relevant GROUP BY code, severity, example_id, is_dismissed
        )
        SELECT code, severity, sum(findings)::bigint AS findings, count(*) AS examples,
            count(*) FILTER (WHERE is_dismissed) AS dismissed,
            array_agg(example_id) FILTER (WHERE number <= 10 AND NOT is_dismissed) AS first,
            CASE code WHEN 'personal_data' THEN (
                SELECT jsonb_object_agg(kind, times) FROM (
                    SELECT k.key AS kind, sum(k.value::bigint) AS times
                    FROM relevant r, jsonb_each_text(r.kinds) k WHERE NOT r.is_dismissed GROUP BY k.key
                ) counted
            ) END AS kinds
        FROM numbered GROUP BY code, severity ORDER BY severity, code
        """,
        tenant,
        dataset_id,
        saved_only,
        without,
        current_version,
        example_id,
    )


async def page(
    connection: Connection,
    tenant: str,
    dataset_id: UUID,
    *,
    code: str | None,
    severity: str | None,
    after: UUID | None,
    limit: int,
    example_id: UUID | None = None,
) -> list[Record]:
    """Return examples that have findings (or that one), in order of id, with their findings and twins."""
    return await connection.fetch(
        """
        SELECT c.example_id, e.dialog_id, c.state, c.revision, encode(c.content_sha256, 'hex') AS content, (
            SELECT jsonb_agg(jsonb_build_object('code', f.code, 'place', f.place,
                'dismissed', CASE WHEN d.code IS NOT NULL THEN
                    jsonb_build_object('by', d.dismissed_by, 'why', d.why, 'at', d.dismissed_at) END,
                'with', CASE f.code WHEN 'duplicate' THEN (
                    SELECT jsonb_agg(o.example_id) FROM (
                        SELECT o.example_id FROM example_checks o WHERE o.tenant_id = c.tenant_id
                          AND o.dataset_id = c.dataset_id AND o.content_sha256 = c.content_sha256
                          AND o.state = 'saved' AND o.example_id <> c.example_id LIMIT 5) o)
                WHEN 'near_duplicate' THEN (
                    SELECT jsonb_agg(o.example_id) FROM (
                        SELECT o.example_id FROM example_signatures s
                        JOIN example_signatures o
                          ON o.tenant_id = s.tenant_id AND o.group_id = s.group_id
                        JOIN example_checks t
                          ON t.tenant_id = o.tenant_id AND t.example_id = o.example_id
                        WHERE s.tenant_id = c.tenant_id AND s.example_id = c.example_id
                          AND t.content_sha256 <> c.content_sha256
                        ORDER BY o.example_id LIMIT 5) o)
                WHEN 'contradiction' THEN (
                    SELECT jsonb_agg(o.example_id) FROM (
                        SELECT DISTINCT o.example_id FROM corrected_answers a
                        JOIN corrected_answers o ON o.tenant_id = a.tenant_id AND o.dataset_id = a.dataset_id
                          AND o.question = a.question AND o.answer <> a.answer
                        WHERE a.tenant_id = c.tenant_id AND a.example_id = c.example_id
                          AND a.number = f.number LIMIT 5) o) END
            ) ORDER BY f.severity, f.code, f.number)
            FROM findings f LEFT JOIN dismissals d ON d.tenant_id = f.tenant_id
              AND d.example_id = f.example_id AND d.code = f.code AND d.content_sha256 = c.content_sha256
            WHERE f.tenant_id = c.tenant_id AND f.example_id = c.example_id
              AND ($3::text IS NULL OR f.code = $3) AND ($4::text IS NULL OR f.severity = $4)
        ) AS findings
        FROM example_checks c JOIN examples e ON e.tenant_id = c.tenant_id AND e.id = c.example_id
        WHERE c.tenant_id = $1 AND c.example_id IN (
            SELECT DISTINCT f.example_id FROM findings f
            WHERE f.tenant_id = $1 AND f.dataset_id = $2 AND ($3::text IS NULL OR f.code = $3)
              AND ($4::text IS NULL OR f.severity = $4) AND ($5::uuid IS NULL OR f.example_id > $5)
              AND ($7::uuid IS NULL OR f.example_id = $7)
            ORDER BY f.example_id LIMIT $6)
        ORDER BY c.example_id
        """,
        tenant,
        dataset_id,
        code,
        severity,
        after,
        limit,
        example_id,
    )


async def content_with(connection: Connection, tenant: str, example_id: UUID, code: str) -> bytes | None:
    """Return the content in which this example has a finding of that code, if it has one."""
    found: bytes | None = await connection.fetchval(
        "SELECT c.content_sha256 FROM findings f JOIN example_checks c USING (tenant_id, example_id) "
        "WHERE f.tenant_id = $1 AND f.example_id = $2 AND f.code = $3 LIMIT 1",
        tenant,
        example_id,
        code,
    )
    return found


async def dismiss(
    connection: Connection, tenant: str, example_id: UUID, code: str, content: bytes, why: str, by: str
) -> None:
    """Remember that a person accepts this warning for this content."""
    await connection.execute(
        """
        INSERT INTO dismissals (tenant_id, example_id, code, content_sha256, why, dismissed_by)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, example_id, code, content_sha256) DO UPDATE SET why = excluded.why,
            dismissed_by = excluded.dismissed_by, dismissed_at = excluded.dismissed_at
        """,
        tenant,
        example_id,
        code,
        content,
        why,
        by,
    )


async def undismiss(connection: Connection, tenant: str, example_id: UUID, code: str) -> bool:
    """Forget the dismissals of one code; returns whether there were any."""
    return bool(
        await connection.fetchval(
            "WITH gone AS (DELETE FROM dismissals WHERE tenant_id = $1 AND example_id = $2 AND code = $3 "
            "RETURNING 1) SELECT true FROM gone LIMIT 1",
            tenant,
            example_id,
            code,
        )
    )
