"""All SQL about a run's diary and its curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chassis.database import Connection
from training_svc.domain.job import JobEvent
from training_svc.domain.run import Run


async def add_events(connection: Connection, run: Run, events: Sequence[JobEvent]) -> None:
    """Store the lines of the job's diary, given newest first, that are not stored yet."""
    await connection.executemany(
        "INSERT INTO run_events (tenant_id, run_id, event_id, at, level, code, data) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        [
            (run.request.tenant, run.request.run_id, one.id, one.at, one.level, one.code, one.data)
            for one in reversed(events)
        ],
    )


async def last_event(connection: Connection, tenant: str, run_id: str) -> str | None:
    """Return the newest stored line of a run's diary."""
    found = await connection.fetchval(
        "SELECT event_id FROM run_events WHERE tenant_id = $1 AND run_id = $2 ORDER BY number DESC LIMIT 1",
        tenant,
        run_id,
    )
    return str(found) if found else None


async def events(connection: Connection, tenant: str, run_id: str, limit: int) -> list[Any]:
    """Return the newest lines of a run's diary."""
    found: list[Any] = await connection.fetch(
        "SELECT event_id, at, level, code, data FROM run_events WHERE tenant_id = $1 AND run_id = $2 "
        "ORDER BY number DESC LIMIT $3",
        tenant,
        run_id,
        limit,
    )
    return found


async def add_metrics(connection: Connection, run: Run, steps: Mapping[int, dict[str, float]]) -> None:
    """Store the figures of steps; those of a step that is there are completed, newer ones count."""
    await connection.executemany(
        """
        INSERT INTO run_metrics AS m (tenant_id, run_id, step, figures) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, run_id, step) DO UPDATE SET figures = m.figures || excluded.figures
        """,
        [(run.request.tenant, run.request.run_id, step, steps[step]) for step in sorted(steps)],
    )


async def metrics(connection: Connection, tenant: str, run_id: str, after: int, limit: int) -> list[Any]:
    """Return up to `limit` steps (step, figures) of a run's curves beyond the step `after`, in order."""
    found: list[Any] = await connection.fetch(
        "SELECT step, figures FROM run_metrics WHERE tenant_id = $1 AND run_id = $2 AND step > $3 "
        "ORDER BY step LIMIT $4",
        tenant,
        run_id,
        after,
        limit,
    )
    return found


async def last_figures(
    connection: Connection, tenant: str, run_id: str, *, up_to: int | None = None
) -> dict[str, float]:
    """Return the last value of each figure of a run's curves, up to a step."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (name) name, value FROM run_metrics, jsonb_each(figures) AS one (name, value)
        WHERE tenant_id = $1 AND run_id = $2 AND ($3::bigint IS NULL OR step <= $3)
        ORDER BY name, step DESC
        """,
        tenant,
        run_id,
        up_to,
    )
    return {row["name"]: float(row["value"]) for row in rows}
