"""SQL of the shelves on which text lies, by retention class and month."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Connection
from chassis.tombstones import digest
from dialog_svc.outbound.dialog_store import Slot


async def add_shelves(connection: Connection) -> None:
    """See to it that there are shelves for this month and the next two."""
    await connection.execute("SELECT add_shelves()")


async def expired_shelf(connection: Connection) -> int | None:
    """Return the oldest shelf that holds nothing but what began before its class's days."""
    shelf: int | None = await connection.fetchval(
        """
        SELECT shelf FROM shelves
        WHERE kept > 0 AND month + interval '1 month' + make_interval(days => kept) < now()
        ORDER BY month, shelf LIMIT 1
        """
    )
    return shelf


async def lock_living(connection: Connection, shelf: int, limit: int) -> list[Slot]:
    """Lock up to `limit` dialogs of a shelf that went on within its class's days."""
    rows = await connection.fetch(
        """
        SELECT d.tenant_id, d.dialog_id FROM dialogs d JOIN shelves s ON s.shelf = d.shelf
        WHERE d.shelf = $1 AND d.heard_at >= now() - make_interval(days => s.kept)
        ORDER BY d.tenant_id, d.dialog_id LIMIT $2 FOR UPDATE OF d
        """,
        shelf,
        limit,
    )
    return [(row["tenant_id"], row["dialog_id"]) for row in rows]


async def lock_silent(connection: Connection, shelf: int, limit: int) -> list[Slot]:
    """Lock up to `limit` dialogs of a shelf that did not."""
    rows = await connection.fetch(
        """
        SELECT d.tenant_id, d.dialog_id FROM dialogs d JOIN shelves s ON s.shelf = d.shelf
        WHERE d.shelf = $1 AND d.heard_at < now() - make_interval(days => s.kept)
        ORDER BY d.tenant_id, d.dialog_id LIMIT $2 FOR UPDATE OF d
        """,
        shelf,
        limit,
    )
    return [(row["tenant_id"], row["dialog_id"]) for row in rows]


async def carry_over(connection: Connection, shelf: int, slots: Sequence[Slot]) -> None:
    """Move dialogs with all their text to the same class's shelf of the month in which they went on last."""
    await connection.execute(
        """
        WITH moving AS (
            SELECT d.tenant_id, d.dialog_id, (
                SELECT min(t.shelf) FROM shelves t
                WHERE t.kept = s.kept AND t.month >= date_trunc('month', d.heard_at)
            ) AS target
            FROM unnest($1::text[], $2::text[]) AS u (tenant_id, dialog_id)
            JOIN dialogs d USING (tenant_id, dialog_id), shelves s WHERE s.shelf = $3
        ), said AS (
            UPDATE messages m SET shelf = v.target FROM moving v
            WHERE m.tenant_id = v.tenant_id AND m.dialog_id = v.dialog_id AND m.shelf = $3
        ), documents AS (
            UPDATE search_documents s SET shelf = v.target FROM moving v
            WHERE s.tenant_id = v.tenant_id AND s.dialog_id = v.dialog_id AND s.shelf = $3
            RETURNING s.tenant_id, s.words, s.shelf
        ), learned AS (
            INSERT INTO vocabulary (tenant_id, word, shelf)
            SELECT DISTINCT d.tenant_id, w.word, d.shelf
            FROM documents d, unnest(tsvector_to_array(d.words)) AS w (word)
            ON CONFLICT DO NOTHING
        ), listed AS (
            UPDATE listings l SET shelf = v.target FROM moving v
            WHERE l.tenant_id = v.tenant_id AND l.dialog_id = v.dialog_id
        )
        UPDATE dialogs d SET shelf = v.target FROM moving v
        WHERE d.tenant_id = v.tenant_id AND d.dialog_id = v.dialog_id
        """,
        [slot[0] for slot in slots],
        [slot[1] for slot in slots],
        shelf,
    )


async def delete_dialogs(connection: Connection, slots: Sequence[Slot]) -> None:
    """Delete dialogs and what refers to them.

    Their last revision stays, so that no number comes twice, with a hash of the client: who erases him erases
    what others still hold of them.
    """
    rows = await connection.fetch(
        "SELECT d.tenant_id, d.dialog_id, d.client FROM unnest($1::text[], $2::text[]) "
        "AS u (tenant_id, dialog_id) JOIN dialogs d USING (tenant_id, dialog_id)",
        [slot[0] for slot in slots],
        [slot[1] for slot in slots],
    )
    await connection.execute(
        """
        WITH gone AS (
            SELECT d.tenant_id, d.dialog_id, d.revision, u.client_hmac
            FROM unnest($1::text[], $2::text[], $3::bytea[]) AS u (tenant_id, dialog_id, client_hmac)
            JOIN dialogs d USING (tenant_id, dialog_id)
        ), numbers AS (
            INSERT INTO retired AS r (tenant_id, dialog_id, revision, client_hmac)
            SELECT tenant_id, dialog_id, revision, client_hmac FROM gone WHERE revision > 0
            ON CONFLICT (tenant_id, dialog_id) DO UPDATE SET revision = excluded.revision,
                client_hmac = coalesce(excluded.client_hmac, r.client_hmac)
        ), published AS (
            DELETE FROM revisions r USING gone g WHERE r.tenant_id = g.tenant_id AND r.dialog_id = g.dialog_id
        ), rated AS (
            DELETE FROM ratings r USING gone g WHERE r.tenant_id = g.tenant_id AND r.dialog_id = g.dialog_id
        ), inside AS (
            DELETE FROM members m USING gone g WHERE m.tenant_id = g.tenant_id AND m.dialog_id = g.dialog_id
        ), listed AS (
            DELETE FROM listings l USING gone g WHERE l.tenant_id = g.tenant_id AND l.dialog_id = g.dialog_id
        )
        DELETE FROM dialogs d USING gone g WHERE d.tenant_id = g.tenant_id AND d.dialog_id = g.dialog_id
        """,
        [row["tenant_id"] for row in rows],
        [row["dialog_id"] for row in rows],
        [row["client"] and digest(row["tenant_id"], row["client"]) for row in rows],
    )


async def drop_shelf(connection: Connection, shelf: int) -> bool:
    """Drop a shelf with the text on it; False while a dialog still lies there."""
    dropped: bool = await connection.fetchval("SELECT drop_shelf($1)", shelf)
    return dropped
