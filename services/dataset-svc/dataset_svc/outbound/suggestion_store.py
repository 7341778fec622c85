"""SQL of suggestions: which dialogs are due, what was found, what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from asyncpg import Record

from chassis.database import Connection
from dataset_svc.outbound.candidate_store import Slot
from dataset_svc.outbound.listing_store import opening

State = str
SHOWS = """(CASE WHEN state = 'snoozed' AND snoozed_until <= clock_timestamp() THEN 'open' ELSE state END)"""
"""The state as one sees it: what was put off until now is open again."""


async def due(connection: Connection, limit: int) -> list[Slot]:
    """Return the dialogs that wait longest to be looked at."""
    rows = await connection.fetch(
        "SELECT tenant_id, dialog_id FROM suggestion_queue ORDER BY queued_at LIMIT $1", limit
    )
    return [(row["tenant_id"], row["dialog_id"]) for row in rows]


async def take(connection: Connection, slots: Sequence[Slot]) -> list[Slot]:
    """Take dialogs out of the queue; those that another process has are passed over."""
    rows = await connection.fetch(
        """
        DELETE FROM suggestion_queue q USING (
            SELECT tenant_id, dialog_id FROM suggestion_queue
            JOIN unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id) USING (tenant_id, dialog_id)
            FOR UPDATE OF suggestion_queue SKIP LOCKED
        ) due
        WHERE q.tenant_id = due.tenant_id AND q.dialog_id = due.dialog_id
        RETURNING q.tenant_id, q.dialog_id
        """,
        *_columns(slots),
    )
    return sorted((row["tenant_id"], row["dialog_id"]) for row in rows)


async def put_back(connection: Connection, slots: Sequence[Slot]) -> None:
    """Let dialogs wait again, in this order, behind all others."""
    await connection.execute(
        "INSERT INTO suggestion_queue (tenant_id, dialog_id) SELECT * FROM unnest($1::text[], $2::text[]) "
        "ON CONFLICT DO NOTHING",
        *_columns(slots),
    )


async def branches(connection: Connection, slots: Sequence[Slot]) -> list[Record]:
    """Return the newest revision of each branch of these dialogs, with the dataset of its agent.

    `newest`: of all branches this one was heard of last. `known`: the dataset has an example of it.
    """
    return await connection.fetch(
        """
        SELECT c.*, d.id AS dataset_id,
            c.revision = max(c.revision) OVER (PARTITION BY c.tenant_id, c.dialog_id) AS newest,
            EXISTS (SELECT FROM examples e WHERE e.tenant_id = c.tenant_id AND e.dataset_id = d.id
                    AND e.dialog_id = c.dialog_id AND e.branch = c.branch) AS known
        FROM unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
        CROSS JOIN LATERAL (
            SELECT DISTINCT ON (branch) * FROM candidates n
            WHERE n.tenant_id = w.tenant_id AND n.dialog_id = w.dialog_id ORDER BY branch, revision DESC
        ) c
        JOIN datasets d ON d.tenant_id = c.tenant_id AND d.agent_id = c.agent_id
        ORDER BY c.tenant_id, c.dialog_id, c.branch
        """,
        *_columns(slots),
    )


async def put(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep what is suggested now; what was skipped stays so unless a reason is new, what was put off too."""
    await connection.execute(
        """
        INSERT INTO suggestions AS s (tenant_id, dataset_id, dialog_id, branch, revision, source, outcome,
            message_count, ended_at, reasons, names, score)
        SELECT tenant_id, dataset_id, dialog_id, branch, revision, source, outcome, message_count, ended_at,
            reasons, ARRAY(SELECT json_array_elements_text(names)), score
        FROM json_to_recordset($1::json) AS u (tenant_id text, dataset_id uuid, dialog_id text, branch text,
            revision bigint, source text, outcome text, message_count bigint, ended_at timestamptz,
            reasons jsonb, names json, score int)
        ON CONFLICT (tenant_id, dataset_id, dialog_id, branch) DO UPDATE SET
            revision = excluded.revision, source = excluded.source, outcome = excluded.outcome,
            message_count = excluded.message_count, ended_at = excluded.ended_at, reasons = excluded.reasons,
            names = excluded.names, score = excluded.score,
            state = CASE WHEN s.state = 'skipped' AND NOT excluded.names <@ s.skipped
                THEN 'open' ELSE s.state END
        """,
        orjson.dumps([dict(row) for row in rows], default=str).decode(),
    )


async def withdraw(connection: Connection, gone: Sequence[Record]) -> None:
    """Take back what nobody decided on and for which no reason is left, or whose dialog is in the dataset."""
    await connection.execute(
        """
        DELETE FROM suggestions s
        USING unnest($1::text[], $2::uuid[], $3::text[], $4::text[]) AS w (
            tenant_id, dataset_id, dialog_id, branch)
        WHERE s.tenant_id = w.tenant_id AND s.dataset_id = w.dataset_id AND s.dialog_id = w.dialog_id
          AND s.branch = w.branch AND s.state IN ('open', 'snoozed')
        """,
        *([one[name] for one in gone] for name in ("tenant_id", "dataset_id", "dialog_id", "branch")),
    )


async def page(
    connection: Connection,
    tenant: str,
    dataset_id: UUID,
    *,
    state: State,
    reason: str | None,
    after: tuple[int, datetime, str, str] | None,
    limit: int,
) -> list[Record]:
    """Return suggestions of a state, what counts most first, then the newest."""
    score, ended_at, dialog_id, branch = after or (None, None, None, None)
    return await connection.fetch(
        f"""
        SELECT *, {SHOWS} AS shows, (
            SELECT {opening("k.transcript")} FROM candidates k
            WHERE k.tenant_id = s.tenant_id AND k.dialog_id = s.dialog_id AND k.revision = s.revision
              AND k.branch = s.branch
        ) AS opening FROM suggestions s
        WHERE tenant_id = $1 AND dataset_id = $2 AND {SHOWS} = $3 AND ($4::text IS NULL OR names @> ARRAY[$4])
          AND ($5::int IS NULL OR score < $5 OR (score = $5
            AND (ended_at < $6 OR (ended_at = $6 AND (dialog_id, branch) > ($7::text, $8::text)))))
        ORDER BY score DESC, ended_at DESC, dialog_id, branch LIMIT $9
        """,  # noqa: S608 -- all of it is literals
        tenant,
        dataset_id,
        state,
        reason,
        score,
        ended_at,
        dialog_id,
        branch,
        limit,
    )


async def counts(connection: Connection, tenant: str, dataset_id: UUID, state: State) -> list[Record]:
    """Return how many suggestions of a state have each reason; '' counts them all."""
    return await connection.fetch(
        f"""
        SELECT coalesce(name, '') AS name, count(*) AS count
        FROM suggestions CROSS JOIN LATERAL unnest(names || NULL::text) AS name
        WHERE tenant_id = $1 AND dataset_id = $2 AND {SHOWS} = $3 GROUP BY 1
        """,  # noqa: S608 -- SHOWS is a literal
        tenant,
        dataset_id,
        state,
    )


async def lock(
    connection: Connection, tenant: str, dataset_id: UUID, dialog_id: str, branch: str
) -> Record | None:
    """Return a suggestion and let nobody else change it in this transaction."""
    return await connection.fetchrow(
        f"""
        SELECT *, {SHOWS} AS shows FROM suggestions
        WHERE tenant_id = $1 AND dataset_id = $2 AND dialog_id = $3 AND branch = $4 FOR NO KEY UPDATE
        """,  # noqa: S608 -- SHOWS is a literal
        tenant,
        dataset_id,
        dialog_id,
        branch,
    )


async def decide(
    connection: Connection, row: Record, *, state: State, by: str, until: datetime | None = None,
    example_id: UUID | None = None,
) -> None:  # fmt: skip
    """Write down what became of a locked suggestion; skipping remembers for which reasons."""
    await connection.execute(
        """
        UPDATE suggestions SET state = $5, decided_by = $6, decided_at = clock_timestamp(),
            snoozed_until = $7, example_id = $8, skipped = CASE WHEN $5 = 'skipped' THEN names ELSE '{}' END
        WHERE tenant_id = $1 AND dataset_id = $2 AND dialog_id = $3 AND branch = $4
        """,
        row["tenant_id"],
        row["dataset_id"],
        row["dialog_id"],
        row["branch"],
        state,
        by,
        until,
        example_id,
    )


def _columns(slots: Sequence[Slot]) -> tuple[list[str], list[str]]:
    return [tenant for tenant, _ in slots], [dialog for _, dialog in slots]
