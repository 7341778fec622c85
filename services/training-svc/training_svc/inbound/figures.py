"""What training-svc says of its runs as a whole, for boards and alerts."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import Gauge

from chassis.census import Count
from chassis.database import Connection
from training_svc.outbound import census_store as store

LATE = timedelta(minutes=10)
FAILING = 10

runs = Gauge("mortarboard_runs", "Training runs", ["status"])
stuck = Gauge(
    "mortarboard_runs_stuck", "Unfinished runs that stand still: unattended, failing or owner", ["why"]
)
tokens = Gauge("mortarboard_trained_tokens", "Tokens of all trainings", ["provider", "base_model"])
cost = Gauge("mortarboard_training_cost_dollars", "What all trainings have cost", ["provider", "base_model"])


async def _stuck(connection: Connection) -> dict[tuple[str, ...], float]:
    return dict(await store.stuck_runs(connection, LATE, FAILING))


COUNTS = (
    Count(runs, store.runs_by_status),
    Count(stuck, _stuck),
    Count(tokens, store.trained_tokens),
    Count(cost, store.training_cost),
)
