"""All SQL of the census: how many runs stand where, which are stuck, what trainings have cost."""

from __future__ import annotations

from datetime import timedelta

from chassis.census import Figures
from chassis.database import Connection

MICRO = 1_000_000


async def runs_by_status(connection: Connection) -> Figures:
    """Return how many runs there are, by (status)."""
    rows = await connection.fetch("SELECT status, count(*) AS runs FROM runs GROUP BY status")
    return {(row["status"],): row["runs"] for row in rows}


async def stuck_runs(connection: Connection, late: timedelta, failures: int) -> Figures:
    """Return how many unfinished runs stand still, by (why).

    unattended: their turn is over by more than `late` and nobody has taken it; failing: `failures` turns in
    a row failed; owner: they wait for something that only their owner can do.
    """
    row = await connection.fetchrow(
        """
        SELECT count(*) FILTER (
                   WHERE next_poll_at < clock_timestamp() - $1::interval AND leased_until < clock_timestamp()
               ) AS unattended,
               count(*) FILTER (WHERE failures >= $2) AS failing,
               count(*) FILTER (WHERE attention IS NOT NULL) AS owner
        FROM runs WHERE status NOT IN ('ready', 'failed', 'cancelled')
        """,
        late,
        failures,
    )
    return {(why,): row[why] for why in ("unattended", "failing", "owner")} if row else {}


async def trained_tokens(connection: Connection) -> Figures:
    """Return how many tokens all trainings had, by (provider, base model as the catalogue lists it)."""
    rows = await connection.fetch(
        """
        SELECT provider, coalesce(root_model, 'other') AS base_model, sum(trained_tokens) AS tokens
        FROM runs WHERE trained_tokens IS NOT NULL GROUP BY 1, 2
        """
    )
    return {(row["provider"], row["base_model"]): float(row["tokens"]) for row in rows}


async def training_cost(connection: Connection) -> Figures:
    """Return what all trainings have cost in dollars, by (provider, base model), where prices are known."""
    rows = await connection.fetch(
        """
        SELECT provider, coalesce(root_model, 'other') AS base_model, sum(cost_microdollars) AS cost
        FROM runs WHERE cost_microdollars IS NOT NULL GROUP BY 1, 2
        """
    )
    return {(row["provider"], row["base_model"]): float(row["cost"]) / MICRO for row in rows}
