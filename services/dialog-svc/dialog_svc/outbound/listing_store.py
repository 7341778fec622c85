"""SQL of the lists: pages, counts, search; as the HTTP role, by functions that know the caller's tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from asyncpg import Record

from chassis.database import Connection
from dialog_svc.domain.search import Stem
from dialog_svc.outbound.dialog_store import Slot

Filter = Mapping[str, Any]
Place = tuple[str | int, str]  # where a page ended: value of the sort, dialog


async def list_dialogs(
    connection: Connection, filters: Filter, sort: str, after: Place | None, size: int
) -> list[Record]:
    """Return the dialogs that match, in the order of `sort`, behind the place `after`."""
    return await connection.fetch("SELECT * FROM list_dialogs($1, $2, $3, $4)", filters, sort, after, size)


async def search_dialogs(
    connection: Connection, filters: Filter, query: str, sort: str, after: Place | None, size: int
) -> list[Record]:
    """Return those whose words match the tsquery, too."""
    return await connection.fetch(
        "SELECT * FROM search_dialogs($1, $2::text::tsquery, $3, $4, $5)", filters, query, sort, after, size
    )


async def openings(
    connection: Connection, tenant: str, dialogs: Sequence[Record], most: int
) -> dict[str, str]:
    """Return the first `most` characters of what the client said first in each of the listed dialogs.

    Text lies on shelves only, so what has reached its age there is not told here either.
    """
    rows = await connection.fetch(
        """
        SELECT w.dialog_id, left(CASE jsonb_typeof(m.content)
            WHEN 'string' THEN m.content #>> '{}'
            ELSE jsonb_path_query_first(m.content, '$[*] ? (@.type == "text").text') #>> '{}'
        END, $4) AS opening
        FROM unnest($2::text[], $3::int[]) AS w (dialog_id, shelf)
        CROSS JOIN LATERAL (
            SELECT s.message -> 'content' AS content FROM messages s
            WHERE s.tenant_id = $1 AND s.dialog_id = w.dialog_id AND s.shelf = w.shelf AND s.role = 'user'
            ORDER BY s.position LIMIT 1
        ) AS m
        """,
        tenant,
        [row["dialog_id"] for row in dialogs],
        [row["shelf"] for row in dialogs],
        most,
    )
    return {row["dialog_id"]: row["opening"] for row in rows if row["opening"]}


async def count_dialogs(
    connection: Connection, filters: Sequence[Filter], query: str | None, most: int
) -> list[int]:
    """Return how many dialogs match each of the filters, counted to `most` and no further."""
    rows = await connection.fetch(
        """
        SELECT count_dialogs(f.value, $2::text::tsquery, $3) AS found
        FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY AS f (value, number) ORDER BY f.number
        """,
        list(filters),
        query,
        most,
    )
    return [row["found"] for row in rows]


async def count_values(connection: Connection, filters: Filter, query: str | None) -> list[Record]:
    """Return (field, value as text, found) of each value that dialogs which match have."""
    return await connection.fetch("SELECT * FROM count_values($1, $2::text::tsquery)", filters, query)


async def listed_values(connection: Connection, tenant: str, agent_id: str | None, most: int) -> list[Record]:
    """Return (field, value) of what the tenant's dialogs, or an agent's, were ever listed with.

    The first `most` values of each field.
    """
    return await connection.fetch(
        """
        SELECT field, value FROM (
            SELECT v.field, v.value, row_number() OVER (PARTITION BY v.field ORDER BY v.value) AS number
            FROM (
                SELECT DISTINCT field, value FROM listed_values
                WHERE tenant_id = $1 AND ($2::text IS NULL OR agent_id = $2)
            ) AS v
        ) AS numbered WHERE number <= $3 ORDER BY field, value
        """,
        tenant,
        agent_id,
        most,
    )


async def stems(connection: Connection, words: Sequence[str]) -> list[Stem]:
    """Return the stems of the words that have one; words like "and" have none."""
    rows = await connection.fetch("SELECT * FROM stems($1)", words)
    return [Stem(row["stem"], row["known"], row["alike"]) for row in rows]


async def words_containing(connection: Connection, parts: Sequence[str]) -> dict[str, list[str]]:
    """Return for each part of a number the known words that contain it further on, the first 100."""
    found: dict[str, list[str]] = {part: [] for part in parts}
    rows = await connection.fetch(
        "SELECT p.part, w.word FROM unnest($1::text[]) AS p (part), words_containing(p.part) AS w (word)",
        parts,
    )
    for row in rows:
        found[row["part"]].append(row["word"])
    return found


async def ratings_by_model(connection: Connection, filters: Filter) -> list[Record]:
    """Return (model, kind, rating, count) of the dialogs that match; kind is answers or dialogs."""
    return await connection.fetch("SELECT * FROM ratings_by_model($1)", filters)


async def listing_lag(connection: Connection) -> timedelta:
    """Return how long the dialog that waits longest has been waiting to be listed as it is."""
    lag: timedelta = await connection.fetchval("SELECT listing_lag()")
    return lag


async def show_rating(connection: Connection, tenant: str, dialog_id: str, rating: str | None) -> None:
    """List a dialog with its new rating at once."""
    await connection.execute(
        "UPDATE listings SET rating = $3 WHERE tenant_id = $1 AND dialog_id = $2", tenant, dialog_id, rating
    )


async def set_members(connection: Connection, members: Mapping[Slot, bool]) -> None:
    """Note which dialogs are in the dataset now, and list them so."""
    slots = sorted(members)
    arguments = (
        [slot[0] for slot in slots],
        [slot[1] for slot in slots],
        [members[slot] for slot in slots],
    )
    await connection.execute(
        """
        INSERT INTO members (tenant_id, dialog_id)
        SELECT u.tenant_id, u.dialog_id FROM unnest($1::text[], $2::text[], $3::boolean[])
            AS u (tenant_id, dialog_id, inside) WHERE u.inside
        ON CONFLICT DO NOTHING
        """,
        *arguments,
    )
    await connection.execute(
        """
        DELETE FROM members m USING unnest($1::text[], $2::text[], $3::boolean[])
            AS u (tenant_id, dialog_id, inside)
        WHERE m.tenant_id = u.tenant_id AND m.dialog_id = u.dialog_id AND NOT u.inside
        """,
        *arguments,
    )
    await connection.execute(
        """
        WITH held AS (
            -- in the order in which the indexer writes them
            SELECT l.tenant_id, l.dialog_id, u.inside
            FROM unnest($1::text[], $2::text[], $3::boolean[]) AS u (tenant_id, dialog_id, inside)
            JOIN listings l USING (tenant_id, dialog_id)
            ORDER BY l.tenant_id, l.dialog_id FOR UPDATE OF l
        )
        UPDATE listings l SET in_dataset = h.inside FROM held h
        WHERE l.tenant_id = h.tenant_id AND l.dialog_id = h.dialog_id
        """,
        *arguments,
    )
