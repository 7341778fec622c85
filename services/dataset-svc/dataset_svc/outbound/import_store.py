"""SQL of imports and exports: many examples by one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from asyncpg import Record

from chassis.database import Connection
from chassis.tombstones import digest
from dataset_svc.domain.filter import Filter
from dataset_svc.domain.incoming import Incoming
from dataset_svc.domain.message import dump
from dataset_svc.outbound.listing_store import MATCHES


@dataclass(frozen=True, slots=True)
class NewRow:
    """An example of an import, ready to store; `saved` as example_revisions holds it, None for a draft."""

    line: int
    id: UUID
    incoming: Incoming
    saved: dict[str, Any] | None
    teaches: int
    answers: int


async def known_dialogs(
    connection: Connection, tenant: str, dataset_id: UUID, dialogs: Sequence[tuple[str, str]]
) -> set[tuple[str, str]]:
    """Return which of these (dialog, branch) have an example in the dataset."""
    rows = await connection.fetch(
        """
        SELECT e.dialog_id, e.branch FROM unnest($3::text[], $4::text[]) AS w (dialog_id, branch)
        JOIN examples e USING (dialog_id, branch) WHERE e.tenant_id = $1 AND e.dataset_id = $2
        """,
        tenant,
        dataset_id,
        [one[0] for one in dialogs],
        [one[1] for one in dialogs],
    )
    return {(row["dialog_id"], row["branch"]) for row in rows}


async def insert_examples(
    connection: Connection, tenant: str, dataset_id: UUID, by: str, rows: Sequence[NewRow]
) -> None:
    """Store examples, those with a `saved` as saved ones whose first revision follows."""
    await connection.execute(
        """
        INSERT INTO examples (tenant_id, id, dataset_id, dialog_id, copied_dialog_id, branch,
            origin_revision, origin_count, source, ratings, note, tags, state, original, draft,
            saved_revision, saved_draft, teaches, answers, changed_by)
        SELECT $1, u.id, $2, u.dialog_id, u.copied_dialog_id, u.branch, u.origin_revision, u.origin_count,
            u.source, u.ratings, u.note, ARRAY(SELECT jsonb_array_elements_text(u.tags)), u.state,
            u.original, u.draft, u.saved_revision, u.saved_draft, u.teaches, u.answers, $3
        FROM json_to_recordset($4::json) AS u (
            id uuid, dialog_id text, copied_dialog_id text, branch text, origin_revision bigint,
            origin_count bigint, source text, ratings jsonb, note text, tags jsonb, state text,
            original jsonb, draft jsonb, saved_revision bigint, saved_draft bigint, teaches int, answers int)
        """,
        tenant,
        dataset_id,
        by,
        orjson.dumps([_example(one) for one in rows]).decode(),
    )


def _example(row: NewRow) -> dict[str, Any]:
    incoming = row.incoming
    in_step = row.saved is not None and row.saved["messages"] == dump(incoming.draft)
    return {
        "id": row.id,
        "dialog_id": incoming.dialog_id,
        "copied_dialog_id": incoming.copied_dialog_id,
        "branch": incoming.branch,
        "origin_revision": incoming.origin_revision,
        "origin_count": len(incoming.original),
        "source": incoming.source,
        "ratings": incoming.ratings,
        "note": incoming.note,
        "tags": incoming.tags,
        "state": "saved" if row.saved else "draft",
        "original": dump(incoming.original),
        "draft": dump(incoming.draft),
        "saved_revision": 1 if row.saved else None,
        "saved_draft": 1 if in_step else None,
        "teaches": row.teaches,
        "answers": row.answers,
    }


async def insert_revisions(
    connection: Connection, tenant: str, dataset_id: UUID, by: str, rows: Sequence[NewRow]
) -> None:
    """Store the first revision of those examples that are saved."""
    saved = [
        {
            "id": row.id,
            "dialog_id": (origin := row.incoming.origin),
            "dialog_hmac": digest(tenant, origin).hex() if origin is not None else None,
            "origin_revision": row.incoming.origin_revision,
            "origin_count": len(row.incoming.original),
            **row.saved,
        }
        for row in rows
        if row.saved is not None
    ]
    await connection.execute(
        """
        WITH saved AS (
            SELECT * FROM json_to_recordset($3::json) AS u (
                id uuid, dialog_id text, dialog_hmac text, origin_revision bigint, origin_count bigint,
                messages jsonb, line text, tokens bigint, teaches int, answers int)
        ), origins AS (
            INSERT INTO example_origins (tenant_id, dialog_hmac, example_id, dataset_id)
            SELECT $1, decode(dialog_hmac, 'hex'), id, $4 FROM saved WHERE dialog_hmac IS NOT NULL
        )
        INSERT INTO example_revisions (tenant_id, example_id, revision, dialog_id, origin_revision,
            origin_count, messages, line, tokens, teaches, answers, saved_by)
        SELECT $1, id, 1, dialog_id, origin_revision, origin_count, messages, line, tokens, teaches, answers,
            $2
        FROM saved
        """,
        tenant,
        by,
        orjson.dumps(saved).decode(),
        dataset_id,
    )


async def insert_items(
    connection: Connection, tenant: str, operation_id: UUID, rows: Sequence[NewRow]
) -> None:
    """Note the examples that an import made, so that it can be undone."""
    await connection.execute(
        """
        INSERT INTO operation_items (tenant_id, operation_id, example_id, state, after)
        SELECT $1, $2, u.id, 'done', jsonb_build_object('state', u.state, 'draft', 1)
        FROM unnest($3::uuid[], $4::text[]) AS u (id, state)
        """,
        tenant,
        operation_id,
        [row.id for row in rows],
        ["saved" if row.saved else "draft" for row in rows],
    )


async def page_to_export(
    connection: Connection, tenant: str, dataset_id: UUID, wanted: Filter, after: UUID, limit: int
) -> list[Record]:
    """Return examples with their saved messages and line, in order of id."""
    return await connection.fetch(
        f"""
        SELECT e.*, r.messages AS saved, r.line FROM examples e LEFT JOIN example_revisions r
          ON r.tenant_id = e.tenant_id AND r.example_id = e.id AND r.revision = e.saved_revision
        WHERE e.tenant_id = $1 AND e.dataset_id = $2 AND e.id > $4 AND {MATCHES}
        ORDER BY e.id LIMIT $5
        """,  # noqa: S608 -- MATCHES is a literal
        tenant,
        dataset_id,
        wanted.columns(),
        after,
        limit,
    )
