"""SQL of a dataset's list of examples, and of what it holds in all."""

from __future__ import annotations

from uuid import UUID

from asyncpg import Record

from chassis.database import Connection
from dataset_svc.domain.filter import Filter

LAST = UUID(int=2**128 - 1)
"""Above every id: with `$4 IS NULL OR id < $4` each page would walk the index from its end."""
MATCHES = """
    ($3::jsonb ->> 'state' IS NOT DISTINCT FROM e.state OR NOT $3 ? 'state' AND e.state <> 'removed')
    AND (NOT $3 ? 'tag' OR e.tags @> ARRAY[$3 ->> 'tag'])
    AND (NOT $3 ? 'rating' OR coalesce(e.rating, 'none') = $3 ->> 'rating')
    AND (NOT $3 ? 'teaches' OR $3 ->> 'teaches' = CASE
        WHEN e.teaches = 0 THEN 'none' WHEN e.teaches < e.answers THEN 'some' ELSE 'all' END)
    AND (NOT $3 ? 'source' OR e.source = $3 ->> 'source')
    AND (NOT $3 ? 'dialog_id' OR e.dialog_id = $3 ->> 'dialog_id')
    AND (NOT $3 ? 'changed_by' OR e.changed_by = $3 ->> 'changed_by')
    AND (NOT $3 ? 'changed_from' OR e.changed_at >= ($3 ->> 'changed_from')::timestamptz)
    AND (NOT $3 ? 'changed_to' OR e.changed_at < ($3 ->> 'changed_to')::timestamptz)
    AND (NOT $3 ? 'unsaved'
        OR (e.saved_draft IS DISTINCT FROM e.draft_revision) = ($3 ->> 'unsaved')::boolean)
    AND (NOT $3 ? 'copied' OR (e.copied_example_id IS NOT NULL) = ($3 ->> 'copied')::boolean)
    AND (NOT $3 ? 'group' OR e.id IN (
        SELECT s.example_id FROM example_signatures s
        WHERE s.tenant_id = $1 AND s.group_id = ($3 ->> 'group')::uuid))
    AND (NOT $3 ? 'finding' OR EXISTS (
        SELECT FROM findings f JOIN example_checks c USING (tenant_id, example_id)
        WHERE f.tenant_id = $1 AND f.example_id = e.id AND f.code = $3 ->> 'finding' AND NOT EXISTS (
            SELECT FROM dismissals d WHERE d.tenant_id = $1 AND d.example_id = e.id AND d.code = f.code
              AND d.content_sha256 = c.content_sha256)))
    AND (NOT $3 ? 'q' OR EXISTS (
        SELECT FROM (
            SELECT concat_ws(' ', e.dialog_id, e.note, array_to_string(e.tags, ' ')) AS words
            UNION ALL
            SELECT coalesce(c ->> 'text', c #>> '{}') FROM jsonb_path_query(e.draft, '$[*].content[*]') c
        ) said WHERE strpos(lower(words), lower($3 ->> 'q')) > 0))
"""
"""Whether an example `e` matches the filter in $3."""


def opening(messages: str) -> str:
    """Return the SQL of the words with which the client begins; `messages` is an expression."""
    return f"""(
        SELECT left(words, 160) FROM (
            SELECT coalesce(c ->> 'text', CASE jsonb_typeof(c) WHEN 'string' THEN c #>> '{{}}' END) AS words
            FROM jsonb_path_query({messages}, '$[*] ? (@.role == "user").content[*]') c
        ) said WHERE words <> '' LIMIT 1)"""  # noqa: S608 -- called with literals


async def list_examples(
    connection: Connection, tenant: str, dataset_id: UUID, wanted: Filter, before: UUID | None, limit: int
) -> list[Record]:
    """Return a dataset's examples, newest first."""
    return await connection.fetch(
        f"""
        SELECT e.id, e.dialog_id, e.branch, e.source, e.state, e.draft_revision, e.saved_revision,
            e.saved_draft, e.teaches, e.answers, e.rating, e.note, e.tags, e.copied_example_id,
            e.copied_revision, e.copied_dialog_id, e.changed_by, e.changed_at, e.created_at, r.tokens,
            {opening("e.draft")} AS opening
        FROM examples e LEFT JOIN example_revisions r
          ON r.tenant_id = e.tenant_id AND r.example_id = e.id AND r.revision = e.saved_revision
        WHERE e.tenant_id = $1 AND e.dataset_id = $2 AND e.id < $4 AND {MATCHES}
        ORDER BY e.id DESC LIMIT $5
        """,  # noqa: S608 -- all of it is literals
        tenant,
        dataset_id,
        wanted.columns(),
        before or LAST,
        limit,
    )


async def count_examples(connection: Connection, tenant: str, dataset_id: UUID, wanted: Filter) -> int:
    """Return how many of a dataset's examples match."""
    count: int = await connection.fetchval(
        f"SELECT count(*) FROM examples e WHERE e.tenant_id = $1 AND e.dataset_id = $2 AND {MATCHES}",  # noqa: S608
        tenant,
        dataset_id,
        wanted.columns(),
    )
    return count


async def summary(connection: Connection, tenant: str, dataset_id: UUID) -> Record:
    """Return counts by state, and what the saved examples hold."""
    row = await connection.fetchrow(
        """
        SELECT count(*) FILTER (WHERE e.state = 'draft') AS drafts,
            count(*) FILTER (WHERE e.state = 'saved') AS saved,
            count(*) FILTER (WHERE e.state = 'removed') AS removed,
            count(*) FILTER (WHERE e.state = 'saved' AND e.draft_revision <> e.saved_draft) AS unsaved,
            coalesce(sum(r.tokens) FILTER (WHERE e.state = 'saved'), 0)::bigint AS tokens,
            coalesce(sum(r.teaches) FILTER (WHERE e.state = 'saved'), 0)::bigint AS teaches,
            coalesce(sum(r.answers) FILTER (WHERE e.state = 'saved'), 0)::bigint AS answers
        FROM examples e LEFT JOIN example_revisions r
          ON r.tenant_id = e.tenant_id AND r.example_id = e.id AND r.revision = e.saved_revision
        WHERE e.tenant_id = $1 AND e.dataset_id = $2
        """,
        tenant,
        dataset_id,
    )
    if row is None:
        raise RuntimeError("an aggregate returned no row")
    return row
