"""All SQL on what the gateway records: whose turn it is, and which answer follows which message."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from chassis.database import Connection


@dataclass(frozen=True, slots=True)
class Recorded:
    """Which answer follows a message now; None before there was any."""

    dialog_id: str
    question_id: str
    answer_id: str | None
    answer_hash: str | None


async def lock_dialogs(connection: Connection, tenant: str, dialogs: Collection[str]) -> None:
    """Hold dialogs until the transaction ends; in sorted order, so that two cannot wait for each other."""
    await connection.execute(
        """
        INSERT INTO recorded_dialogs (tenant_id, dialog_id)
        SELECT $1, dialog FROM unnest($2::text[]) dialog ORDER BY dialog
        ON CONFLICT (tenant_id, dialog_id) DO UPDATE SET at = clock_timestamp()
        """,
        tenant,
        sorted(dialogs),
    )


async def open_turns(connection: Connection, tenant: str, dialogs: Collection[str]) -> list[tuple[str, int]]:
    """Return (dialog id, turn) of all that are being answered or wait to be recorded in the dialogs."""
    rows = await connection.fetch(
        "SELECT dialog_id, turn FROM turns "
        "WHERE tenant_id = $1 AND dialog_id = ANY ($2) AND until > clock_timestamp()",
        tenant,
        list(dialogs),
    )
    return [(row["dialog_id"], row["turn"]) for row in rows]


async def end_turns(
    connection: Connection, tenant: str, dialogs: Sequence[str], turns: Sequence[int]
) -> None:
    """Let the next ones go; `dialogs` and `turns` belong together."""
    await connection.execute(
        "DELETE FROM turns t USING unnest($2::text[], $3::bigint[]) AS o (dialog_id, turn) "
        "WHERE t.tenant_id = $1 AND t.dialog_id = o.dialog_id AND t.turn = o.turn",
        tenant,
        dialogs,
        turns,
    )


async def recorded(
    connection: Connection, tenant: str, slots: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Recorded]:
    """Return what is recorded of each (dialog id, question id)."""
    rows = await connection.fetch(
        "SELECT r.* FROM recorded_turns r JOIN unnest($2::text[], $3::text[]) AS w (dialog_id, question_id) "
        "USING (dialog_id, question_id) WHERE r.tenant_id = $1",
        tenant,
        [dialog for dialog, _ in slots],
        [question for _, question in slots],
    )
    return {
        (row["dialog_id"], row["question_id"]): Recorded(
            row["dialog_id"], row["question_id"], row["answer_id"], row["answer_hash"]
        )
        for row in rows
    }


async def put_recorded(connection: Connection, tenant: str, rows: Sequence[Recorded]) -> None:
    """Keep which answers follow now; no slot comes twice."""
    await connection.execute(
        """
        INSERT INTO recorded_turns (tenant_id, dialog_id, question_id, answer_id, answer_hash)
        SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[])
        ON CONFLICT (tenant_id, dialog_id, question_id)
        DO UPDATE SET answer_id = excluded.answer_id, answer_hash = excluded.answer_hash
        """,
        tenant,
        [row.dialog_id for row in rows],
        [row.question_id for row in rows],
        [row.answer_id for row in rows],
        [row.answer_hash for row in rows],
    )


async def forget_dialog(connection: Connection, tenant: str, dialog_id: str) -> None:
    """Delete what is known of a dialog's turns; who holds the dialog is waited for."""
    for table in ("recorded_dialogs", "turns"):
        await connection.execute(
            f"DELETE FROM {table} WHERE tenant_id = $1 AND dialog_id = $2",  # noqa: S608 -- ours
            tenant,
            dialog_id,
        )


async def forget_old(connection: Connection, days: int, limit: int) -> int:
    """Forget dialogs without a word for `days`, of all tenants, and turns long over; returns how many."""
    await connection.execute("DELETE FROM turns WHERE until < clock_timestamp() - interval '1 hour'")
    done = await connection.execute(
        """
        DELETE FROM recorded_dialogs d USING (
            SELECT tenant_id, dialog_id FROM recorded_dialogs
            WHERE at < clock_timestamp() - make_interval(days => $1) LIMIT $2 FOR UPDATE SKIP LOCKED
        ) old WHERE d.tenant_id = old.tenant_id AND d.dialog_id = old.dialog_id
        """,
        days,
        limit,
    )
    return int(done.rsplit(" ", 1)[-1])
