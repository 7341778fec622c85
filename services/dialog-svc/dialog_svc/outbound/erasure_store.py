"""SQL of erasure: who asked for it, what goes of a dialog, what the other services say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from chassis import tombstones
from chassis.database import Connection
from contracts.dialogs import DialogForgotten
from dialog_svc.outbound.dialog_store import Slot

TABLES = ("messages", "search_documents", "listings", "ratings", "revisions", "members", "retired", "dialogs")
"""What holds something of a dialog, in the order in which it goes."""


async def is_known(connection: Connection, tenant: str, dialog_id: str) -> bool:
    """Whether there is such a dialog, or was before it grew old or was erased."""
    return bool(
        await connection.fetchval(
            """
            SELECT EXISTS (SELECT FROM dialogs WHERE tenant_id = $1 AND dialog_id = $2)
                OR EXISTS (SELECT FROM retired WHERE tenant_id = $1 AND dialog_id = $2)
                OR EXISTS (
                    SELECT FROM tombstones WHERE tenant_id = $1 AND kind = 'dialog' AND subject_hmac = $3)
            """,
            tenant,
            dialog_id,
            tombstones.digest(tenant, dialog_id),
        )
    )


async def same_request(connection: Connection, tenant: str, kind: str, subject_hmac: bytes) -> Record | None:
    """Return the newest request to erase the same, or None; only one transaction at a time asks."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1 || encode($2::bytea, 'hex'), 0))",
        f"{tenant}\x1f{kind}\x1f",
        subject_hmac,
    )
    return await connection.fetchrow(
        "SELECT * FROM erasure_requests WHERE tenant_id = $1 AND kind = $2 AND subject_hmac = $3 "
        "ORDER BY id DESC LIMIT 1",
        tenant,
        kind,
        subject_hmac,
    )


async def request_of(connection: Connection, tenant: str, erasure_id: UUID | None) -> UUID | None:
    """Return the request by which a dialog was erased."""
    found: UUID | None = await connection.fetchval(
        "SELECT request_id FROM erasures WHERE tenant_id = $1 AND id = $2", tenant, erasure_id
    )
    return found


async def insert_request(connection: Connection, request: dict[str, Any]) -> None:
    """Store a request; its keys are columns."""
    await connection.execute(
        "INSERT INTO erasure_requests (tenant_id, id, kind, subject_hmac, subject, reason, asked_by) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(
            request[name]
            for name in ("tenant_id", "id", "kind", "subject_hmac", "subject", "reason", "asked_by")
        ),
    )


async def get_request(connection: Connection, tenant: str, request_id: UUID) -> Record | None:
    """Return a request."""
    return await connection.fetchrow(
        "SELECT * FROM erasure_requests WHERE tenant_id = $1 AND id = $2", tenant, request_id
    )


async def list_requests(connection: Connection, tenant: str, limit: int, cursor: UUID | None) -> list[Record]:
    """Return requests, newest first."""
    return await connection.fetch(
        "SELECT * FROM erasure_requests WHERE tenant_id = $1 AND ($3::uuid IS NULL OR id < $3) "
        "ORDER BY id DESC LIMIT $2",
        tenant,
        limit,
        cursor,
    )


async def claim_request(connection: Connection) -> Record | None:
    """Take the request that is longest due, for as long as the transaction lasts."""
    return await connection.fetchrow(
        """
        SELECT *, clock_timestamp() AS now FROM erasure_requests
        WHERE subject IS NOT NULL AND again_at <= clock_timestamp()
        ORDER BY again_at LIMIT 1 FOR UPDATE SKIP LOCKED
        """
    )


async def go_on(connection: Connection, request: Record, position: str, at: datetime) -> None:
    """Look for more dialogs of this client behind `position`, at a time."""
    await connection.execute(
        "UPDATE erasure_requests SET position = $3, again_at = $4 WHERE tenant_id = $1 AND id = $2",
        request["tenant_id"],
        request["id"],
        position,
        at,
    )


async def finish_request(connection: Connection, request: Record) -> None:
    """Note that nothing of it is left to find; from now on only the hash tells what it was about."""
    await connection.execute(
        "UPDATE erasure_requests SET subject = NULL WHERE tenant_id = $1 AND id = $2",
        request["tenant_id"],
        request["id"],
    )


async def dialogs_of_client(
    connection: Connection, tenant: str, client: str, after: str, limit: int
) -> list[str]:
    """Return some dialogs of a client behind one, in order.

    No index knows them: intake must not pay for what is rarely asked.
    """
    rows = await connection.fetch(
        "SELECT dialog_id FROM dialogs WHERE tenant_id = $1 AND client = $2 AND dialog_id > $3 "
        "ORDER BY dialog_id LIMIT $4",
        tenant,
        client,
        after,
        limit,
    )
    return [row["dialog_id"] for row in rows]


async def words_of_texts(connection: Connection, texts: str) -> list[str]:
    """Return the words under which these texts are found."""
    words: list[str] = await connection.fetchval(
        "SELECT tsvector_to_array(to_tsvector('pg_catalog.russian', $1))", texts
    )
    return words


async def delete_dialogs(connection: Connection, slots: Sequence[Slot]) -> dict[Slot, Counter[str]]:
    """Delete all that is held of the dialogs; returns how many rows of what. They must be locked."""
    removed: dict[Slot, Counter[str]] = {slot: Counter() for slot in slots}
    for table in TABLES:
        rows = await connection.fetch(
            f"""
            WITH gone AS (
                DELETE FROM {table} t USING unnest($1::text[], $2::text[]) AS u (tenant_id, dialog_id)
                WHERE t.tenant_id = u.tenant_id AND t.dialog_id = u.dialog_id
                RETURNING t.tenant_id, t.dialog_id
            )
            SELECT tenant_id, dialog_id, count(*) AS rows FROM gone GROUP BY 1, 2
            """,  # noqa: S608 -- one of our own table names
            [slot[0] for slot in slots],
            [slot[1] for slot in slots],
        )
        for row in rows:
            removed[row["tenant_id"], row["dialog_id"]][table] += row["rows"]
    return removed


async def put_words(
    connection: Connection, tenant: str, request_id: UUID, shelf: int, words: Sequence[str]
) -> None:
    """Let words of an erased dialog be taken out of the vocabulary."""
    await connection.execute(
        "INSERT INTO erased_words (tenant_id, request_id, shelf, words) VALUES ($1, $2, $3, $4)",
        tenant,
        request_id,
        shelf,
        list(words),
    )


async def any_words(connection: Connection) -> bool:
    """Whether words of any erased dialog are still in the vocabulary."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM erased_words)"))


async def forget_words(connection: Connection) -> bool:
    """Take some words out of the vocabulary that no document holds any more; whether there were any.

    Nobody may add documents meanwhile: the index must be locked.
    """
    row = await connection.fetchrow(
        "SELECT tenant_id, id, shelf, words FROM erased_words ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    if row is None:
        return False
    await connection.execute("SELECT forget_words($1, $2, $3)", row["tenant_id"], row["shelf"], row["words"])
    await connection.execute(
        "DELETE FROM erased_words WHERE tenant_id = $1 AND id = $2", row["tenant_id"], row["id"]
    )
    return True


async def has_words(connection: Connection, request: Record) -> bool:
    """Whether words of what was erased are still to be taken out of the vocabulary."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM erased_words WHERE tenant_id = $1 AND request_id = $2)",
            request["tenant_id"],
            request["id"],
        )
    )


async def insert_erasure(
    connection: Connection, tenant: str, erasure_id: UUID, request_id: UUID, removed: dict[str, int]
) -> None:
    """Note that a dialog went."""
    await connection.execute(
        "INSERT INTO erasures (tenant_id, id, request_id, removed) VALUES ($1, $2, $3, $4)",
        tenant,
        erasure_id,
        request_id,
        removed,
    )


STATES = """
    SELECT e.id, e.erased_at, e.removed, greatest(t.heard_at, max(r.heard_at)) AS heard_at,
        coalesce(bool_or(r.service = 'dataset-svc' AND r.state = 'done'), false)
        AND coalesce(bool_or(r.service = 'agent-svc' AND r.state = 'done'), false)
        AND coalesce(bool_and(r.state = 'done') FILTER (WHERE r.service = 'training-svc'), true)
        AND coalesce(array_agg(h ->> 'id') FILTER (
            WHERE r.service = 'dataset-svc' AND h ->> 'kind' = 'version'), '{}')
         <@ coalesce(array_agg(h ->> 'id') FILTER (
            WHERE r.service = 'training-svc' AND h ->> 'kind' = 'version'), '{}') AS is_done
    FROM erasures e
    LEFT JOIN tombstones t ON t.tenant_id = e.tenant_id AND t.kind = 'dialog' AND t.erasure_id = e.id
    LEFT JOIN erasure_reports r ON r.tenant_id = e.tenant_id AND r.erasure_id = e.id
    LEFT JOIN LATERAL jsonb_array_elements(r.held) AS h ON true
    WHERE e.tenant_id = $1 AND e.request_id = $2
    GROUP BY e.tenant_id, e.id, t.heard_at
"""
"""The dialogs of a request: done are those of which every service that may have held something has said so.

training-svc is asked only about the versions that dataset-svc names, so it must have spoken of each of them.
"""


async def erasures_of(
    connection: Connection, tenant: str, request_id: UUID, limit: int, cursor: UUID | None
) -> list[Record]:
    """Return the dialogs' erasures of a request, with what was last heard of each."""
    return await connection.fetch(
        f"SELECT * FROM ({STATES}) s WHERE $4::uuid IS NULL OR id > $4 ORDER BY id LIMIT $3",  # noqa: S608
        tenant,
        request_id,
        limit,
        cursor,
    )


async def summary_of(connection: Connection, tenant: str, request: Record) -> Record:
    """Return of a request: its dialogs, how many are not done, the newest erasure, what was last heard."""
    row = await connection.fetchrow(
        f"""
        SELECT count(*) AS dialogs, count(*) FILTER (WHERE NOT is_done) AS open, max(erased_at) AS newest,
            greatest(max(heard_at), (
                SELECT c.heard_at FROM tombstones c
                WHERE c.tenant_id = $1 AND c.kind = 'client' AND c.subject_hmac = $3)) AS heard_at
        FROM ({STATES}) s
        """,  # noqa: S608 -- STATES is a literal
        tenant,
        request["id"],
        request["subject_hmac"],
    )
    if row is None:
        raise RuntimeError("an aggregate returned no row")
    return row


async def reports_of(connection: Connection, tenant: str, erasures: Sequence[UUID]) -> list[Record]:
    """Return what the other services say of erasures."""
    return await connection.fetch(
        "SELECT * FROM erasure_reports WHERE tenant_id = $1 AND erasure_id = ANY($2) ORDER BY service",
        tenant,
        list(erasures),
    )


async def put_report(connection: Connection, tenant: str, report: DialogForgotten) -> None:
    """Keep a service's newest word on an erasure; that something came again changes nothing else of it."""
    erasure_id = UUID(report.erasure_id)
    await connection.execute(
        """
        INSERT INTO erasure_reports AS r (tenant_id, erasure_id, service, state, removed, held, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (tenant_id, erasure_id, service) DO UPDATE SET
            state = excluded.state, removed = excluded.removed, held = excluded.held, at = excluded.at
        WHERE r.at <= excluded.at AND NOT $8
        """,
        tenant,
        erasure_id,
        report.service,
        report.state,
        report.removed,
        [one.model_dump(mode="json") for one in report.held],
        report.at,
        report.heard_at is not None,
    )
    await connection.execute(
        "UPDATE erasure_reports SET heard_at = greatest(heard_at, $4) "
        "WHERE tenant_id = $1 AND erasure_id = $2 AND service = $3",
        tenant,
        erasure_id,
        report.service,
        report.heard_at,
    )


async def doom_folders(connection: Connection, folders: Sequence[tuple[str, str]], *, rounds: int) -> None:
    """Let (tenant, folder) of object storage be emptied so many times."""
    await connection.execute(
        """
        INSERT INTO doomed_folders (tenant_id, folder, rounds)
        SELECT *, $3 FROM unnest($1::text[], $2::text[]) ORDER BY 1, 2
        ON CONFLICT (tenant_id, folder) DO UPDATE SET due_at = clock_timestamp(), rounds = excluded.rounds
        """,
        [tenant for tenant, _ in folders],
        [folder for _, folder in folders],
        rounds,
    )


async def due_folders(connection: Connection, limit: int) -> list[Record]:
    """Return folders that are to be emptied now."""
    return await connection.fetch(
        "SELECT tenant_id, folder FROM doomed_folders WHERE due_at <= clock_timestamp() "
        "ORDER BY due_at LIMIT $1",
        limit,
    )


async def note_emptied(connection: Connection, tenant: str, folder: str, pause: float) -> None:
    """Let a folder go that was emptied often enough, else have it emptied again after `pause` seconds."""
    await connection.execute(
        """
        UPDATE doomed_folders SET rounds = rounds - 1,
            due_at = clock_timestamp() + make_interval(secs => $3)
        WHERE tenant_id = $1 AND folder = $2
        """,
        tenant,
        folder,
        pause,
    )
    await connection.execute(
        "DELETE FROM doomed_folders WHERE tenant_id = $1 AND folder = $2 AND rounds <= 0", tenant, folder
    )
