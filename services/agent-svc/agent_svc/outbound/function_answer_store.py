"""All SQL on what functions really answered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from asyncpg import Record

from chassis.database import Connection

Row = Record


class Heard(NamedTuple):
    """What a function answered in a live dialog; `arguments` is their hash."""

    tenant: str
    agent_id: str
    name: str
    arguments: str
    content: str
    dialog_id: str
    at: datetime


async def put_answers(connection: Connection, heard: Sequence[Heard]) -> None:
    """Keep the newest answer to each call; of one call `heard` holds one.

    In one order for all, so that two dialogs with the same calls cannot wait for each other.
    """
    await connection.executemany(
        """
        INSERT INTO function_answers AS f
            (tenant_id, agent_id, name, arguments_sha256, content, dialog_id, at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (tenant_id, agent_id, name, arguments_sha256) DO UPDATE
        SET content = excluded.content, dialog_id = excluded.dialog_id, at = excluded.at
        WHERE f.at <= excluded.at
        """,
        sorted(tuple(one) for one in heard),
    )


async def likely_answer(
    connection: Connection, tenant: str, agent_id: str, name: str, arguments: str
) -> Row | None:
    """Return a function's last real answer to these arguments (`exact`), else its last one, or None."""
    return await connection.fetchrow(
        """
        (SELECT content, dialog_id, at, true AS exact FROM function_answers
         WHERE tenant_id = $1 AND agent_id = $2 AND name = $3 AND arguments_sha256 = $4)
        UNION ALL
        (SELECT content, dialog_id, at, false FROM function_answers
         WHERE tenant_id = $1 AND agent_id = $2 AND name = $3 ORDER BY at DESC LIMIT 1)
        ORDER BY exact DESC LIMIT 1
        """,
        tenant,
        agent_id,
        name,
        arguments,
    )


async def forget_dialog(connection: Connection, tenant: str, dialog_id: str) -> int:
    """Delete what functions answered in a dialog; returns how many answers."""
    done = await connection.execute(
        "DELETE FROM function_answers WHERE tenant_id = $1 AND dialog_id = $2", tenant, dialog_id
    )
    return int(done.rsplit(" ", 1)[-1])


async def forget_old(connection: Connection, days: float, limit: int) -> int:
    """Delete answers older than `days`, at most `limit`; returns how many."""
    done = await connection.execute(
        """
        DELETE FROM function_answers WHERE (tenant_id, agent_id, name, arguments_sha256) IN (
            SELECT tenant_id, agent_id, name, arguments_sha256 FROM function_answers
            WHERE at < clock_timestamp() - make_interval(secs => $1 * 86400) LIMIT $2)
        """,
        days,
        limit,
    )
    return int(done.rsplit(" ", 1)[-1])
