"""SQL of examples: working copies and their changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection

MEMBERSHIP = 8
"""The advisory locks under which it is said whether a dialog is in the dataset."""


async def find_by_dialog(
    connection: Connection, tenant: str, dataset_id: UUID, dialog_id: str, branch: str
) -> Record | None:
    """Return the example of a dialog's branch."""
    return await connection.fetchrow(
        "SELECT id FROM examples WHERE tenant_id = $1 AND dataset_id = $2 AND dialog_id = $3 AND branch = $4",
        tenant,
        dataset_id,
        dialog_id,
        branch,
    )


async def find_copy(
    connection: Connection, tenant: str, dataset_id: UUID, copied_example_id: UUID
) -> Record | None:
    """Return the example that was copied from another one."""
    return await connection.fetchrow(
        "SELECT id FROM examples WHERE tenant_id = $1 AND dataset_id = $2 AND copied_example_id = $3",
        tenant,
        dataset_id,
        copied_example_id,
    )


async def insert_copy(
    connection: Connection, tenant: str, *, example_id: UUID, dataset_id: UUID, source: UUID, by: str
) -> None:
    """Copy an example into another dataset: what was saved of it, else its working copy."""
    await connection.execute(
        """
        INSERT INTO examples (tenant_id, id, dataset_id, branch, origin_revision, origin_count, source,
            ratings, note, tags, copied_example_id, copied_revision, copied_dialog_id, state, original, draft,
            teaches, answers, changed_by)
        SELECT e.tenant_id, $2, $3, e.branch, coalesce(r.origin_revision, e.origin_revision),
            coalesce(r.origin_count, e.origin_count), e.source, e.ratings, e.note, e.tags, e.id,
            e.saved_revision, coalesce(e.dialog_id, e.copied_dialog_id), 'draft', e.original,
            coalesce(r.messages, e.draft), coalesce(r.teaches, e.teaches), coalesce(r.answers, e.answers), $5
        FROM examples e LEFT JOIN example_revisions r
          ON r.tenant_id = e.tenant_id AND r.example_id = e.id AND r.revision = e.saved_revision
        WHERE e.tenant_id = $1 AND e.id = $4
        """,
        tenant,
        example_id,
        dataset_id,
        source,
        by,
    )


async def insert(connection: Connection, tenant: str, example: dict[str, Any]) -> bool:
    """Store a new example with its original as the working copy; False when the dialog has one."""
    made = await connection.fetchval(
        """
        INSERT INTO examples (tenant_id, id, dataset_id, dialog_id, branch, origin_revision, origin_count,
            source, ratings, state, original, draft, teaches, answers, changed_by)
        VALUES ($1, $2, $3, $4, $5, $6, jsonb_array_length($9), $7, $8, 'draft', $9, $9, $10, $11, $12)
        ON CONFLICT (tenant_id, dataset_id, dialog_id, branch) DO NOTHING
        RETURNING true
        """,
        tenant,
        example["id"],
        example["dataset_id"],
        example["dialog_id"],
        example["branch"],
        example["origin_revision"],
        example["source"],
        example["ratings"],
        example["messages"],
        example["teaches"],
        example["answers"],
        example["by"],
    )
    return bool(made)


async def exists(connection: Connection, tenant: str, example_id: UUID) -> bool:
    """Whether there is such an example."""
    return bool(
        await connection.fetchval(
            "SELECT true FROM examples WHERE tenant_id = $1 AND id = $2", tenant, example_id
        )
    )


async def get(connection: Connection, tenant: str, example_id: UUID) -> Record | None:
    """Return an example with its agent, and the newest revision that its dialog has by now."""
    return await connection.fetchrow(
        """
        SELECT e.*, d.agent_id, a.prompt AS agent_prompt, a.tools AS agent_tools,
            newer.revision AS newer_revision, newer.message_count AS newer_count, (
                SELECT jsonb_agg(jsonb_build_array(s.draft_revision, s.step, s.before IS NOT NULL)
                    ORDER BY s.draft_revision DESC)
                FROM draft_changes s WHERE s.tenant_id = e.tenant_id AND s.example_id = e.id
            ) AS steps, ARRAY(
                SELECT ARRAY[v.kind, v.value] FROM allowed_values v
                WHERE v.tenant_id = e.tenant_id AND v.dataset_id = e.dataset_id
            ) AS allowed
        FROM examples e JOIN datasets d ON d.tenant_id = e.tenant_id AND d.id = e.dataset_id
        LEFT JOIN agents a ON a.tenant_id = d.tenant_id AND a.agent_id = d.agent_id
        LEFT JOIN LATERAL (
            SELECT c.revision, c.message_count FROM candidates c
            WHERE c.tenant_id = e.tenant_id AND c.dialog_id = e.dialog_id AND c.branch = e.branch
              AND c.revision > e.origin_revision AND c.message_count > e.origin_count
              AND (c.transcript IS NOT NULL OR c.uri IS NOT NULL)
            ORDER BY c.revision DESC LIMIT 1
        ) newer ON true
        WHERE e.tenant_id = $1 AND e.id = $2
        """,
        tenant,
        example_id,
    )


async def delete(connection: Connection, tenant: str, example_id: UUID) -> None:
    """Delete an example with all that was saved of it but what a version holds."""
    await connection.execute(
        """
        WITH gone AS (DELETE FROM examples WHERE tenant_id = $1 AND id = $2)
        DELETE FROM example_revisions r WHERE r.tenant_id = $1 AND r.example_id = $2 AND NOT EXISTS (
            SELECT FROM version_examples v WHERE v.tenant_id = r.tenant_id
              AND v.example_id = r.example_id AND v.revision = r.revision)
        """,
        tenant,
        example_id,
    )


async def lock(connection: Connection, tenant: str, example_id: UUID) -> Record | None:
    """Return an example and let nobody else change it in this transaction."""
    return await connection.fetchrow(
        "SELECT * FROM examples WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE", tenant, example_id
    )


async def put_draft(
    connection: Connection,
    tenant: str,
    example_id: UUID,
    *,
    messages: list[dict[str, Any]],
    teaches: int,
    answers: int,
    by: str,
) -> int:
    """Replace the working copy; returns its new revision."""
    revision: int = await connection.fetchval(
        """
        UPDATE examples SET draft = $3, draft_revision = draft_revision + 1, teaches = $4, answers = $5,
            changed_by = $6, changed_at = clock_timestamp()
        WHERE tenant_id = $1 AND id = $2 RETURNING draft_revision
        """,
        tenant,
        example_id,
        messages,
        teaches,
        answers,
        by,
    )
    return revision


async def set_columns(
    connection: Connection, tenant: str, example_id: UUID, values: Mapping[str, Any], by: str
) -> None:
    """Set those of state, removed_from, saved_revision, saved_draft and tags that `values` names."""
    await connection.execute(
        """
        UPDATE examples SET
            state = coalesce($3::jsonb ->> 'state', state),
            removed_from = CASE WHEN $3 ? 'removed_from' THEN $3 ->> 'removed_from' ELSE removed_from END,
            saved_revision = CASE WHEN $3 ? 'saved_revision'
                THEN ($3 ->> 'saved_revision')::bigint ELSE saved_revision END,
            saved_draft = CASE WHEN $3 ? 'saved_draft'
                THEN ($3 ->> 'saved_draft')::bigint ELSE saved_draft END,
            tags = CASE WHEN $3 ? 'tags'
                THEN ARRAY(SELECT jsonb_array_elements_text($3 -> 'tags')) ELSE tags END,
            changed_by = $4, changed_at = clock_timestamp()
        WHERE tenant_id = $1 AND id = $2
        """,
        tenant,
        example_id,
        dict(values),
        by,
    )


async def set_labels(
    connection: Connection, tenant: str, example_id: UUID, note: str, tags: Sequence[str]
) -> None:
    """Replace note and tags."""
    await connection.execute(
        "UPDATE examples SET note = $3, tags = $4 WHERE tenant_id = $1 AND id = $2",
        tenant,
        example_id,
        note,
        list(tags),
    )


async def set_origin(
    connection: Connection, tenant: str, example_id: UUID, revision: int | None, count: int
) -> None:
    """Note which revision of its dialog the working copy holds, and how many of its messages."""
    await connection.execute(
        "UPDATE examples SET origin_revision = $3, origin_count = $4 WHERE tenant_id = $1 AND id = $2",
        tenant,
        example_id,
        revision,
        count,
    )


async def set_original(
    connection: Connection, tenant: str, example_id: UUID, messages: list[dict[str, Any]]
) -> None:
    """Let the original grow as its dialog went on, or hold pseudonyms."""
    await connection.execute(
        "UPDATE examples SET original = $3 WHERE tenant_id = $1 AND id = $2", tenant, example_id, messages
    )


async def mark_in_step(connection: Connection, tenant: str, example_id: UUID) -> None:
    """Note that the working copy is what was saved."""
    await connection.execute(
        "UPDATE examples SET saved_draft = draft_revision WHERE tenant_id = $1 AND id = $2",
        tenant,
        example_id,
    )


async def never_saved(connection: Connection, slots: Sequence[tuple[str, str]]) -> list[Record]:
    """Return the examples of these dialogs (tenant, dialog) that were never saved, locked."""
    return await connection.fetch(
        """
        SELECT e.tenant_id, e.id, e.dialog_id, e.original, e.draft
        FROM unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
        JOIN examples e USING (tenant_id, dialog_id)
        WHERE e.saved_revision IS NULL ORDER BY e.tenant_id, e.id FOR UPDATE OF e
        """,
        [tenant for tenant, _ in slots],
        [dialog_id for _, dialog_id in slots],
    )


async def set_ratings(
    connection: Connection, rated: Sequence[tuple[str, UUID, dict[str, dict[str, str]], int, int]]
) -> None:
    """Give examples (tenant, id, ratings, teaches, answers) new ratings and heads."""
    await connection.execute(
        """
        UPDATE examples e SET ratings = u.ratings, teaches = u.teaches, answers = u.answers
        FROM unnest($1::text[], $2::uuid[], $3::jsonb[], $4::int[], $5::int[])
            AS u (tenant_id, id, ratings, teaches, answers)
        WHERE e.tenant_id = u.tenant_id AND e.id = u.id
        """,
        *map(list, zip(*rated, strict=True)),
    )


async def delete_of_dialogs(connection: Connection, slots: Sequence[tuple[str, str]]) -> list[Record]:
    """Delete dialogs' examples and the copies made of them; returns what they were."""
    return await connection.fetch(
        """
        DELETE FROM examples e USING unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
        WHERE e.tenant_id = w.tenant_id
          AND (e.dialog_id = w.dialog_id OR e.copied_dialog_id = w.dialog_id)
        RETURNING e.tenant_id, e.id, e.state, e.dialog_id, w.dialog_id AS of_dialog
        """,
        [tenant for tenant, _ in slots],
        [dialog_id for _, dialog_id in slots],
    )


async def lock_membership(connection: Connection, tenant: str, dialogs: Sequence[str]) -> None:
    """Let nobody else say in this transaction's time whether these dialogs are in the dataset."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock($1, hashtext(d)) FROM unnest($2::text[]) AS d",
        MEMBERSHIP,
        sorted(f"{tenant}\x1f{dialog}" for dialog in dialogs),
    )


async def saved_of_dialog(connection: Connection, tenant: str, dialog_id: str) -> UUID | None:
    """Return a saved example of the dialog, if it has one."""
    found: UUID | None = await connection.fetchval(
        "SELECT id FROM examples WHERE tenant_id = $1 AND dialog_id = $2 AND state = 'saved' "
        "ORDER BY id LIMIT 1",
        tenant,
        dialog_id,
    )
    return found


async def has_expired(connection: Connection, days: float) -> bool:
    """Whether there are drafts or removed examples that nobody touched for so many days."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM examples WHERE state <> 'saved' "
            "AND changed_at < clock_timestamp() - make_interval(secs => $1))",
            days * 86_400,
        )
    )


async def delete_expired(connection: Connection, days: float, limit: int) -> list[Record]:
    """Delete drafts and removed examples that nobody touched for so many days; returns what they were.

    One that somebody has just now is passed by: its time begins anew, and whoever has many waits for none.
    Revisions that a version holds stay: removing never touches what is frozen.
    """
    return await connection.fetch(
        """
        WITH gone AS (
            DELETE FROM examples e USING (
                SELECT tenant_id, id FROM examples
                WHERE state <> 'saved' AND changed_at < clock_timestamp() - make_interval(secs => $1)
                ORDER BY changed_at LIMIT $2 FOR UPDATE SKIP LOCKED
            ) old
            WHERE e.tenant_id = old.tenant_id AND e.id = old.id
            RETURNING e.tenant_id, e.id, e.state, pg_column_size(e.original) + pg_column_size(e.draft) AS size
        ), revisions AS (
            DELETE FROM example_revisions r USING gone g
            WHERE r.tenant_id = g.tenant_id AND r.example_id = g.id AND NOT EXISTS (
                SELECT FROM version_examples v WHERE v.tenant_id = r.tenant_id
                  AND v.example_id = r.example_id AND v.revision = r.revision)
        ), undo AS (
            DELETE FROM operation_items i USING gone g
            WHERE i.tenant_id = g.tenant_id AND i.example_id = g.id
        )
        SELECT * FROM gone
        """,
        days * 86_400,
        limit,
    )
