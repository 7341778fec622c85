"""SQL of the indexer: dialogs that changed, their new words, their listing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from asyncpg import Record

from chassis.database import Connection


async def lock_index(connection: Connection) -> None:
    """Let one transaction at a time write listings, documents and shelves."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('dialog_svc/index', 0))")


async def unlisted_dialogs(connection: Connection, limit: int) -> list[Record]:
    """Return dialogs that are not listed as they are, and from which position on to read their messages.

    `version` is the row's own: with it one tells later whether the dialog changed meanwhile.
    """
    return await connection.fetch(
        """
        SELECT d.tenant_id, d.dialog_id, d.shelf, d.xmin::text AS version,
               coalesce(l.indexed_to, 0) AS indexed_to
        FROM dialogs d LEFT JOIN listings l ON l.tenant_id = d.tenant_id AND l.dialog_id = d.dialog_id
        WHERE d.unlisted_since IS NOT NULL ORDER BY d.unlisted_since LIMIT $1
        """,
        limit,
    )


async def new_messages(connection: Connection, dialogs: Sequence[Record], most: int) -> list[Record]:
    """Return (tenant, dialog, position, message) of the first `most` of each that are not indexed yet."""
    return await connection.fetch(
        """
        SELECT m.tenant_id, m.dialog_id, m.position, m.message
        FROM unnest($1::text[], $2::text[], $3::int[], $4::int[])
            AS w (tenant_id, dialog_id, shelf, indexed_to)
        CROSS JOIN LATERAL (
            SELECT * FROM messages s
            WHERE s.tenant_id = w.tenant_id AND s.dialog_id = w.dialog_id AND s.shelf = w.shelf
              AND s.position >= w.indexed_to
            ORDER BY s.position LIMIT $5
        ) AS m
        """,
        [row["tenant_id"] for row in dialogs],
        [row["dialog_id"] for row in dialogs],
        [row["shelf"] for row in dialogs],
        [row["indexed_to"] for row in dialogs],
        most,
    )


async def add_documents(connection: Connection, entries: Sequence[dict[str, Any]]) -> None:
    """Add `words` (a text) to the documents of the dialogs, and to the vocabulary.

    A document that holds very many words already stays as it is.
    """
    await connection.execute(
        """
        WITH fresh AS MATERIALIZED (
            -- this configuration stems Latin words as English ones
            SELECT u.tenant_id, u.dialog_id, u.shelf,
                   strip(to_tsvector('pg_catalog.russian', u.words)) AS words
            FROM json_to_recordset($1::json) AS u (tenant_id text, dialog_id text, shelf int, words text)
            WHERE u.words <> ''
        ), learned AS (
            INSERT INTO vocabulary (tenant_id, word, shelf)
            SELECT DISTINCT f.tenant_id, w.word, f.shelf
            FROM fresh f, unnest(tsvector_to_array(f.words)) AS w (word)
            ON CONFLICT DO NOTHING
        )
        INSERT INTO search_documents AS s (tenant_id, dialog_id, shelf, words)
        SELECT * FROM fresh
        ON CONFLICT (tenant_id, dialog_id, shelf)
        DO UPDATE SET words = s.words || excluded.words WHERE length(s.words) < 8000
        """,
        orjson.dumps(entries).decode(),
    )


async def upsert_listings(connection: Connection, entries: Sequence[dict[str, Any]]) -> None:
    """List those of the dialogs that have a message as they are.

    `models` and `has_functions` add to what is listed already.
    """
    await connection.execute(
        """
        INSERT INTO listings AS l (tenant_id, dialog_id, shelf, agent_id, source, channel, outcome, rating,
            open, started_at, last_at, heard_at, partition, message_count, revision, models, has_functions,
            in_dataset, indexed_to)
        SELECT d.tenant_id, d.dialog_id, d.shelf, d.agent_id, d.source, d.channel, d.outcome, d.rating,
            d.ended_at IS NULL, d.started_at, d.last_at, d.heard_at, d.partition, d.message_count, d.revision,
            u.models, u.has_functions, m.dialog_id IS NOT NULL, u.indexed_to
        FROM json_to_recordset($1::json) AS u (
            tenant_id text, dialog_id text, models text[], has_functions boolean, indexed_to int)
        JOIN dialogs d ON d.tenant_id = u.tenant_id AND d.dialog_id = u.dialog_id
        LEFT JOIN members m ON m.tenant_id = u.tenant_id AND m.dialog_id = u.dialog_id
        WHERE d.leaf_id IS NOT NULL
        ORDER BY d.tenant_id, d.dialog_id
        ON CONFLICT (tenant_id, dialog_id) DO UPDATE SET
            shelf = excluded.shelf, agent_id = excluded.agent_id, source = excluded.source,
            channel = excluded.channel, outcome = excluded.outcome, rating = excluded.rating,
            open = excluded.open, started_at = excluded.started_at, last_at = excluded.last_at,
            heard_at = excluded.heard_at, partition = excluded.partition,
            message_count = excluded.message_count, revision = excluded.revision,
            models = ARRAY(SELECT DISTINCT x FROM unnest(l.models || excluded.models) AS x ORDER BY x),
            has_functions = l.has_functions OR excluded.has_functions, in_dataset = excluded.in_dataset,
            indexed_to = excluded.indexed_to
        """,
        orjson.dumps(entries).decode(),
    )


async def add_values(connection: Connection, entries: Sequence[dict[str, Any]]) -> None:
    """Remember which values the filters of these listings can have."""
    await connection.execute(
        """
        INSERT INTO listed_values (tenant_id, agent_id, field, value)
        SELECT DISTINCT l.tenant_id, l.agent_id, v.field, v.value
        FROM json_to_recordset($1::json) AS u (tenant_id text, dialog_id text)
        JOIN listings l ON l.tenant_id = u.tenant_id AND l.dialog_id = u.dialog_id
        CROSS JOIN LATERAL (
            SELECT 'channel', l.channel UNION ALL SELECT 'outcome', l.outcome
            UNION ALL SELECT 'model', x FROM unnest(l.models) AS x
        ) AS v (field, value)
        WHERE v.value IS NOT NULL
        ON CONFLICT DO NOTHING
        """,
        orjson.dumps(entries).decode(),
    )


async def mark_listed(connection: Connection, dialogs: Sequence[Record]) -> None:
    """Note that the dialogs are listed as they are, but for those that changed since they were read.

    Waits for nobody: what somebody else holds is left out, and so listed again.
    """
    await connection.execute(
        """
        WITH unchanged AS (
            SELECT d.tenant_id, d.dialog_id
            FROM unnest($1::text[], $2::text[], $3::text[]) AS u (tenant_id, dialog_id, version)
            JOIN dialogs d USING (tenant_id, dialog_id)
            WHERE d.xmin = u.version::xid
            FOR UPDATE OF d SKIP LOCKED
        )
        UPDATE dialogs d SET unlisted_since = NULL FROM unchanged u
        WHERE d.tenant_id = u.tenant_id AND d.dialog_id = u.dialog_id
        """,
        [row["tenant_id"] for row in dialogs],
        [row["dialog_id"] for row in dialogs],
        [row["version"] for row in dialogs],
    )
