"""SQL of examples: working copies, their changes, and saved revisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis.database import Connection


async def find_by_dialog(
    connection: Connection, tenant: str, dataset_id: UUID, dialog_id: str, branch: str
) -> Record | None:
    """Return the example of a dialog's branch."""
    return await connection.fetchrow(
        "SELECT id, state FROM examples "
        "WHERE tenant_id = $1 AND dataset_id = $2 AND dialog_id = $3 AND branch = $4",
        tenant,
        dataset_id,
        dialog_id,
        branch,
    )


async def insert(connection: Connection, tenant: str, example: dict[str, Any]) -> bool:
    """Store a new example with its original as the working copy; False when the dialog has one."""
    made = await connection.fetchval(
        """
        INSERT INTO examples (tenant_id, id, dataset_id, dialog_id, branch, origin_revision, source, ratings,
            state, original, draft, teaches, answers, changed_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'draft', $9, $9, $10, $11, $12)
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


async def get(connection: Connection, tenant: str, example_id: UUID) -> Record | None:
    """Return an example with its agent."""
    return await connection.fetchrow(
        "SELECT e.*, d.agent_id FROM examples e JOIN datasets d "
        "ON d.tenant_id = e.tenant_id AND d.id = e.dataset_id WHERE e.tenant_id = $1 AND e.id = $2",
        tenant,
        example_id,
    )


async def lock(connection: Connection, tenant: str, example_id: UUID) -> Record | None:
    """Return an example and let nobody else change it in this transaction."""
    return await connection.fetchrow(
        "SELECT * FROM examples WHERE tenant_id = $1 AND id = $2 FOR UPDATE", tenant, example_id
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


async def put_change(
    connection: Connection, tenant: str, example_id: UUID, revision: int, by: str, changes: list[Any]
) -> None:
    """Remember who changed what in the working copy."""
    await connection.execute(
        "INSERT INTO draft_changes (tenant_id, example_id, draft_revision, changed_by, changes) "
        "VALUES ($1, $2, $3, $4, $5)",
        tenant,
        example_id,
        revision,
        by,
        changes,
    )


async def changes_since(connection: Connection, tenant: str, example_id: UUID, revision: int) -> list[Record]:
    """Return up to 20 changes of the working copy after `revision`, newest first."""
    return await connection.fetch(
        """
        SELECT draft_revision, changed_by, changed_at, changes FROM draft_changes
        WHERE tenant_id = $1 AND example_id = $2 AND draft_revision > $3
        ORDER BY draft_revision DESC LIMIT 20
        """,
        tenant,
        example_id,
        revision,
    )


async def put_revision(connection: Connection, tenant: str, example_id: UUID, saved: dict[str, Any]) -> int:
    """Store the next saved revision; returns its number. The example must be locked."""
    revision: int = await connection.fetchval(
        """
        INSERT INTO example_revisions (tenant_id, example_id, revision, messages, line, tokens, teaches,
            answers, saved_by)
        SELECT $1, $2, coalesce(max(revision), 0) + 1, $3, $4, $5, $6, $7, $8
        FROM example_revisions WHERE tenant_id = $1 AND example_id = $2
        RETURNING revision
        """,
        tenant,
        example_id,
        saved["messages"],
        saved["line"],
        saved["tokens"],
        saved["teaches"],
        saved["answers"],
        saved["by"],
    )
    return revision


async def mark_saved(connection: Connection, tenant: str, example_id: UUID, revision: int) -> None:
    """Make a saved revision the one that counts."""
    await connection.execute(
        "UPDATE examples SET state = 'saved', saved_revision = $3, saved_draft = draft_revision "
        "WHERE tenant_id = $1 AND id = $2",
        tenant,
        example_id,
        revision,
    )


async def mark_in_step(connection: Connection, tenant: str, example_id: UUID) -> None:
    """Note that the working copy is what was saved."""
    await connection.execute(
        "UPDATE examples SET saved_draft = draft_revision WHERE tenant_id = $1 AND id = $2",
        tenant,
        example_id,
    )


async def set_state(connection: Connection, tenant: str, example_id: UUID, state: str, by: str) -> None:
    """Set the state: draft, saved or removed."""
    await connection.execute(
        "UPDATE examples SET state = $3, changed_by = $4, changed_at = clock_timestamp() "
        "WHERE tenant_id = $1 AND id = $2",
        tenant,
        example_id,
        state,
        by,
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
    """Delete dialogs' examples with everything saved of them; returns what they were."""
    return await connection.fetch(
        """
        DELETE FROM examples e USING unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
        WHERE e.tenant_id = w.tenant_id AND e.dialog_id = w.dialog_id
        RETURNING e.tenant_id, e.id, e.state, e.dialog_id
        """,
        [tenant for tenant, _ in slots],
        [dialog_id for _, dialog_id in slots],
    )


async def get_revision(
    connection: Connection, tenant: str, example_id: UUID, revision: int
) -> list[dict[str, Any]]:
    """Return the messages of a saved revision."""
    messages: list[dict[str, Any]] = await connection.fetchval(
        "SELECT messages FROM example_revisions WHERE tenant_id = $1 AND example_id = $2 AND revision = $3",
        tenant,
        example_id,
        revision,
    )
    return messages


async def list_revisions(
    connection: Connection, tenant: str, example_id: UUID, before: int | None, limit: int
) -> list[Record]:
    """Return saved revisions, newest first."""
    return await connection.fetch(
        """
        SELECT revision, tokens, teaches, answers, saved_by, saved_at, messages FROM example_revisions
        WHERE tenant_id = $1 AND example_id = $2 AND ($3::bigint IS NULL OR revision < $3)
        ORDER BY revision DESC LIMIT $4
        """,
        tenant,
        example_id,
        before,
        limit,
    )


async def list_examples(
    connection: Connection, tenant: str, dataset_id: UUID, state: str | None, before: UUID | None, limit: int
) -> list[Record]:
    """Return a dataset's examples, newest first; without `state` all but the removed."""
    return await connection.fetch(
        """
        SELECT e.id, e.dialog_id, e.branch, e.source, e.state, e.draft_revision, e.saved_revision,
            e.saved_draft, e.teaches, e.answers, e.changed_by, e.changed_at, e.created_at, r.tokens
        FROM examples e LEFT JOIN example_revisions r
          ON r.tenant_id = e.tenant_id AND r.example_id = e.id AND r.revision = e.saved_revision
        WHERE e.tenant_id = $1 AND e.dataset_id = $2 AND ($4::uuid IS NULL OR e.id < $4)
          AND CASE WHEN $3::text IS NULL THEN e.state <> 'removed' ELSE e.state = $3 END
        ORDER BY e.id DESC LIMIT $5
        """,
        tenant,
        dataset_id,
        state,
        before,
        limit,
    )


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


async def drafts_to_check(
    connection: Connection, tenant: str, dataset_id: UUID, after: UUID | None, limit: int
) -> list[Record]:
    """Return working copies that are not removed, in order of id."""
    return await connection.fetch(
        """
        SELECT id, dialog_id, original, draft, ratings, state FROM examples
        WHERE tenant_id = $1 AND dataset_id = $2 AND state <> 'removed' AND ($3::uuid IS NULL OR id > $3)
        ORDER BY id LIMIT $4
        """,
        tenant,
        dataset_id,
        after,
        limit,
    )
