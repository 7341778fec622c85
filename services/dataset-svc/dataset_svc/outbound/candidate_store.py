"""SQL of candidates, ratings, tombstones and requests for revisions that have not arrived."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zlib import crc32

import orjson
from asyncpg import Record

from chassis import tombstones
from chassis.database import Connection
from dataset_svc.domain.dialog import Candidate, Dialog

Place = tuple[datetime, str, str, int, str]
"""Where a candidate stands in order of age: received at, tenant, dialog, revision, branch."""
Slot = tuple[str, str]  # tenant, dialog
Owned = tuple[str, Candidate]  # tenant, candidate
MATCHING, TURNS = 7, 256
"""The advisory locks under which candidates meet those who wait for them."""


async def lock_dialog(connection: Connection, tenant: str, dialog_id: str) -> None:
    """Let no batch match this dialog's candidates with who waits for them until this transaction ends."""
    await lock_dialogs(connection, [(tenant, dialog_id)])


async def lock_dialogs(connection: Connection, slots: Sequence[Slot]) -> None:
    """Let no batch change anything of these dialogs until this transaction ends."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock($1, turn) FROM unnest($2::int[]) AS turn",
        MATCHING,
        sorted(set(map(_turn, slots))),
    )


async def share_dialogs(connection: Connection, slots: Sequence[Slot]) -> None:
    """Keep requests about these dialogs waiting until this transaction ends, but no other batch.

    The dialogs share 256 locks, taken in order: a batch of a thousand takes no more.
    """
    await connection.execute(
        "SELECT pg_advisory_xact_lock_shared($1, turn) FROM unnest($2::int[]) AS turn",
        MATCHING,
        sorted(set(map(_turn, slots))),
    )


def _turn(slot: Slot) -> int:
    return crc32("\x1f".join(slot).encode()) % TURNS


async def is_erased(connection: Connection, tenant: str, dialog_id: str) -> bool:
    """Whether the dialog was erased."""
    return bool(await erased(connection, [(tenant, dialog_id)]))


async def erased(connection: Connection, slots: Sequence[Slot]) -> set[Slot]:
    """Return which of the dialogs were erased."""
    return set(await tombstones.find(connection, "dialog", slots))


async def put_candidates(connection: Connection, candidates: Sequence[Owned]) -> None:
    """Keep revisions of dialogs' branches; the same again refreshes its outcome, and a text that expired."""
    if not candidates:
        return
    await connection.execute(
        """
        INSERT INTO candidates AS k (tenant_id, dialog_id, revision, branch, agent_id, source, outcome,
            message_count, ended_at, transcript, uri, sha256)
        SELECT * FROM json_to_recordset($1::json) AS u (
            tenant_id text, dialog_id text, revision bigint, branch text, agent_id text, source text,
            outcome text, message_count bigint, ended_at timestamptz, transcript jsonb, uri text, sha256 text)
        ON CONFLICT (tenant_id, dialog_id, revision, branch)
        DO UPDATE SET outcome = excluded.outcome, ended_at = excluded.ended_at,
            transcript = CASE WHEN k.uri IS NULL THEN coalesce(k.transcript, excluded.transcript) END,
            uri = CASE WHEN k.transcript IS NULL THEN coalesce(k.uri, excluded.uri) END,
            sha256 = coalesce(k.sha256, excluded.sha256),
            received_at = CASE WHEN k.transcript IS NULL AND k.uri IS NULL THEN now() ELSE k.received_at END
        """,
        _rows(candidates),
    )


async def repeat_candidates(connection: Connection, candidates: Sequence[Owned]) -> int:
    """Keep revisions whose messages are those of an earlier one; returns how many found that one."""
    done = await connection.fetch(
        """
        WITH wanted AS (
            SELECT * FROM json_to_recordset($1::json) AS u (
                tenant_id text, dialog_id text, revision bigint, branch text, agent_id text, source text,
                outcome text, message_count bigint, ended_at timestamptz, same_as bigint)
        )
        INSERT INTO candidates (tenant_id, dialog_id, revision, branch, agent_id, source, outcome,
            message_count, ended_at, transcript, uri, sha256)
        SELECT w.tenant_id, w.dialog_id, w.revision, w.branch, w.agent_id, w.source, w.outcome,
            w.message_count, w.ended_at, earlier.transcript, earlier.uri, earlier.sha256
        FROM wanted w CROSS JOIN LATERAL (
            SELECT c.transcript, c.uri, c.sha256 FROM candidates c
            WHERE c.tenant_id = w.tenant_id AND c.dialog_id = w.dialog_id AND c.revision = w.same_as
            ORDER BY c.received_at DESC LIMIT 1
        ) earlier
        ON CONFLICT (tenant_id, dialog_id, revision, branch)
        DO UPDATE SET outcome = excluded.outcome, ended_at = excluded.ended_at
        RETURNING revision
        """,
        _rows(candidates),
    )
    return len(done)


def _rows(candidates: Sequence[Owned]) -> str:
    """Return candidates as one JSON document, sorted: asyncpg looks at each element of an array."""
    rows = [
        {
            "tenant_id": tenant,
            "dialog_id": one.dialog_id,
            "revision": one.revision,
            "branch": one.branch,
            "agent_id": one.agent_id,
            "source": one.source,
            "outcome": one.outcome,
            "message_count": one.message_count,
            "ended_at": one.ended_at,
            "transcript": orjson.Fragment(one.transcript) if one.transcript is not None else None,
            "uri": one.uri,
            "sha256": one.sha256,
            "same_as": one.same_as,
        }
        for tenant, one in sorted(
            candidates, key=lambda owned: (owned[0], owned[1].dialog_id, owned[1].revision, owned[1].branch)
        )
    ]
    return orjson.dumps(rows).decode()


async def find_candidate(
    connection: Connection, tenant: str, agent_id: str, dialog_id: str, revision: int
) -> Record | None:
    """Return the agent's candidate of this revision, or of the next one that came, if its text is kept."""
    return await connection.fetchrow(
        """
        SELECT * FROM candidates
        WHERE tenant_id = $1 AND agent_id = $2 AND dialog_id = $3 AND revision >= $4
          AND (transcript IS NOT NULL OR uri IS NOT NULL)
        ORDER BY revision, received_at DESC LIMIT 1
        """,
        tenant,
        agent_id,
        dialog_id,
        revision,
    )


async def get_candidate(
    connection: Connection, tenant: str, dialog_id: str, revision: int, branch: str
) -> Record | None:
    """Return one revision of a dialog's branch."""
    return await connection.fetchrow(
        "SELECT * FROM candidates WHERE tenant_id = $1 AND dialog_id = $2 AND revision = $3 AND branch = $4",
        tenant,
        dialog_id,
        revision,
        branch,
    )


async def put_ratings(connection: Connection, dialogs: Sequence[Dialog]) -> None:
    """Keep the newest rating of each rater."""
    rows = sorted(
        (one.tenant, one.id, message_id, rater, rating)
        for one in dialogs
        for (message_id, rater), rating in one.ratings.items()
    )
    await connection.execute(
        """
        INSERT INTO ratings (tenant_id, dialog_id, message_id, rater, rating)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
        ON CONFLICT (tenant_id, dialog_id, message_id, rater) DO UPDATE SET rating = excluded.rating
        """,
        *map(list, zip(*rows, strict=True)),
    )


async def ratings_of(connection: Connection, slots: Sequence[Slot]) -> dict[Slot, dict[str, dict[str, str]]]:
    """Return the dialogs' ratings: message id ("" for the dialog) → rater → rating."""
    found: dict[Slot, dict[str, dict[str, str]]] = {}
    for row in await connection.fetch(
        """
        SELECT r.* FROM unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
        JOIN ratings r USING (tenant_id, dialog_id)
        """,
        *_columns(slots),
    ):
        of_dialog = found.setdefault((row["tenant_id"], row["dialog_id"]), {})
        of_dialog.setdefault(row["message_id"], {})[row["rater"]] = row["rating"]
    return found


def _columns(slots: Sequence[Slot]) -> tuple[list[str], list[str]]:
    return [tenant for tenant, _ in slots], [dialog_id for _, dialog_id in slots]


async def put_pending(
    connection: Connection,
    tenant: str,
    *,
    dataset_id: UUID,
    dialog_id: str,
    revision: int,
    example_id: UUID,
    asked_by: str,
) -> UUID:
    """Remember who waits for a revision; returns the example id promised, the first one if asked again."""
    promised: UUID = await connection.fetchval(
        """
        INSERT INTO pending_examples AS p (tenant_id, dataset_id, dialog_id, revision, example_id, asked_by)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (tenant_id, dialog_id, revision, dataset_id) DO UPDATE SET asked_by = p.asked_by
        RETURNING example_id
        """,
        tenant,
        dataset_id,
        dialog_id,
        revision,
        example_id,
        asked_by,
    )
    return promised


async def find_promise(connection: Connection, tenant: str, example_id: UUID) -> Record | None:
    """Return `opened_id` of an id that was promised: None while it waits, else the example it led to."""
    return await connection.fetchrow(
        "SELECT opened_id FROM pending_examples WHERE tenant_id = $1 AND example_id = $2", tenant, example_id
    )


async def take_pending(connection: Connection, candidates: Sequence[Owned]) -> list[Record]:
    """Return, locked, the waiting requests that revisions of an agent's dialogs fulfil, in order."""
    newest: dict[tuple[str, str, str], int] = {}
    for tenant, one in candidates:
        key = (tenant, one.dialog_id, one.agent_id)
        newest[key] = max(newest.get(key, 0), one.revision)
    return await connection.fetch(
        """
        SELECT p.tenant_id, p.dataset_id, p.dialog_id, p.revision, p.example_id, p.asked_by, d.agent_id
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS n (
            tenant_id, dialog_id, agent_id, revision)
        JOIN pending_examples p ON p.tenant_id = n.tenant_id AND p.dialog_id = n.dialog_id
          AND p.revision <= n.revision
        JOIN datasets d ON d.tenant_id = p.tenant_id AND d.id = p.dataset_id AND d.agent_id = n.agent_id
        WHERE p.opened_id IS NULL ORDER BY p.tenant_id, p.dialog_id, p.revision FOR UPDATE OF p
        """,
        [key[0] for key in newest],
        [key[1] for key in newest],
        [key[2] for key in newest],
        list(newest.values()),
    )


async def keep_promise(connection: Connection, tenant: str, promised: UUID, opened: UUID) -> None:
    """Let a promised id lead to the example that was opened, as long as requests are kept."""
    await connection.execute(
        "UPDATE pending_examples SET opened_id = $3, opened_at = clock_timestamp() "
        "WHERE tenant_id = $1 AND example_id = $2",
        tenant,
        promised,
        opened,
    )


async def drop_promise(connection: Connection, tenant: str, promised: UUID) -> None:
    """Forget a request whose promised id is now that of an example."""
    await connection.execute(
        "DELETE FROM pending_examples WHERE tenant_id = $1 AND example_id = $2", tenant, promised
    )


async def erase_dialogs(connection: Connection, slots: Sequence[Slot]) -> dict[Slot, int]:
    """Delete what is held of dialogs beside their examples; returns how many candidates of each."""
    gone = dict.fromkeys(slots, 0)
    for row in await connection.fetch(
        """
        DELETE FROM candidates x USING unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
        WHERE x.tenant_id = w.tenant_id AND x.dialog_id = w.dialog_id RETURNING x.tenant_id, x.dialog_id
        """,
        *_columns(slots),
    ):
        gone[row["tenant_id"], row["dialog_id"]] += 1
    for statement in (
        "DELETE FROM ratings x USING unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id) "
        "WHERE x.tenant_id = w.tenant_id AND x.dialog_id = w.dialog_id",
        "DELETE FROM pending_examples x USING unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id) "
        "WHERE x.tenant_id = w.tenant_id AND x.dialog_id = w.dialog_id",
        # the queue first: whoever looks at a dialog holds its place there until what was found is committed
        "DELETE FROM suggestion_queue x USING unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id) "
        "WHERE x.tenant_id = w.tenant_id AND x.dialog_id = w.dialog_id",
        "DELETE FROM suggestions x USING unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id) "
        "WHERE x.tenant_id = w.tenant_id AND x.dialog_id = w.dialog_id",
    ):
        await connection.execute(statement, *_columns(slots))
    return gone


async def delete_old_pending(connection: Connection, days: float) -> None:
    """Forget requests whose revisions did not come, or came and led elsewhere, so many days ago."""
    await connection.execute(
        "DELETE FROM pending_examples "
        "WHERE coalesce(opened_at, asked_at) < clock_timestamp() - make_interval(secs => $1)",
        days * 86_400,
    )


async def expire_candidates(
    connection: Connection, days: float, after: Place, limit: int
) -> tuple[list[int], Place | None]:
    """Let go of the text of candidates that no example holds and nobody waits for, received so many days ago.

    Looks at up to `limit` of them behind a place, oldest first; returns the bytes of each that went, and the
    place of the last one that was looked at, None when there are no more.
    """
    row = await connection.fetchrow(
        """
        WITH old AS MATERIALIZED (
            SELECT tenant_id, dialog_id, revision, branch, received_at FROM candidates
            WHERE (transcript IS NOT NULL OR uri IS NOT NULL)
              AND received_at < now() - make_interval(secs => $1)
              AND (received_at, tenant_id, dialog_id, revision, branch) > ($3, $4, $5, $6, $7)
            ORDER BY received_at, tenant_id, dialog_id, revision, branch LIMIT $2
        ), free AS MATERIALIZED (
            SELECT c.tenant_id, c.dialog_id, c.revision, c.branch, pg_column_size(c.transcript) AS size
            FROM candidates c JOIN old USING (tenant_id, dialog_id, revision, branch)
            WHERE NOT EXISTS (
                SELECT FROM examples e WHERE e.tenant_id = c.tenant_id AND e.dialog_id = c.dialog_id
            ) AND NOT EXISTS (
                SELECT FROM pending_examples p
                WHERE p.tenant_id = c.tenant_id AND p.dialog_id = c.dialog_id AND p.opened_id IS NULL
            ) FOR UPDATE OF c SKIP LOCKED
        ), gone AS (
            UPDATE candidates c SET transcript = NULL, uri = NULL, sha256 = NULL FROM free f
            WHERE c.tenant_id = f.tenant_id AND c.dialog_id = f.dialog_id AND c.revision = f.revision
              AND c.branch = f.branch
            RETURNING coalesce(f.size, 0) AS size
        )
        SELECT (SELECT array_agg(size) FROM gone) AS sizes, (SELECT count(*) FROM old) AS seen, last.*
        FROM (
            SELECT received_at, tenant_id, dialog_id, revision, branch FROM old
            ORDER BY received_at DESC, tenant_id DESC, dialog_id DESC, revision DESC, branch DESC LIMIT 1
        ) last
        """,
        days * 86_400,
        limit,
        *after,
    )
    if row is None:
        return [], None
    sizes, seen, *last = row
    return list(sizes or ()), (last[0], last[1], last[2], last[3], last[4]) if seen == limit else None
