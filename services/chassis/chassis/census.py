"""The census: gauges of what stands in the database, counted anew by every process that runs workers.

Each process counts for itself, so no gauge stands still when a lease moves; boards take the largest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Gauge

from chassis.database import Connection, Database
from chassis.leases import Worker

Figures = Mapping[tuple[str, ...], float]
EVERY = 30.0


@dataclass(frozen=True, slots=True)
class Count:
    """A gauge, and how its value for each set of labels is read."""

    gauge: Gauge
    read: Callable[[Connection], Awaitable[Figures]]


def census(database: Database, counts: Sequence[Count]) -> Worker:
    """Return the worker that keeps these gauges; what is no longer found is no longer shown."""

    async def count() -> bool:
        for one in counts:
            async with database.transaction() as transaction:
                figures = await one.read(transaction.connection)
            one.gauge.clear()
            for labels, value in figures.items():
                one.gauge.labels(*labels).set(value)
        return False

    return Worker("census", count, every=EVERY, stale_after=300.0)
