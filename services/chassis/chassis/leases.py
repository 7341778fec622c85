"""Leases and leased workers: one process at a time does what must not be done twice.

Time is the database's, so that clocks need not agree; the epoch rises with each change of holder,
and whoever writes checks that its epoch is still the newest.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from prometheus_client import Gauge

from chassis import observability as seen
from chassis.database import Connection, Database
from chassis.errors import describe, is_transient, where
from chassis.health import Health

MAX_BACKOFF = 10.0


async def take_lease(connection: Connection, name: str, holder: str, seconds: float) -> int | None:
    """Take or prolong lease `name`; returns its epoch, or None while another holds it."""
    epoch = await connection.fetchval(
        """
        INSERT INTO leases AS l (name, holder, epoch, until)
        VALUES ($1, $2, 1, clock_timestamp() + make_interval(secs => $3))
        ON CONFLICT (name) DO UPDATE SET
            epoch = l.epoch + (l.holder <> excluded.holder)::int,
            holder = excluded.holder,
            until = excluded.until
        WHERE l.holder = excluded.holder OR l.until < clock_timestamp()
        RETURNING epoch
        """,
        name,
        holder,
        seconds,
    )
    return int(epoch) if epoch is not None else None


@dataclass(frozen=True, slots=True)
class Worker:
    """Something done again and again; `every` in seconds.

    `run` returns whether there is more to do at once. With `leased`, only one process of the
    service runs it at a time; without, each does and must claim its own rows. `gauges` are what only the
    holder of the lease finds out: the others say 0, so that none says for ever what was true once.
    """

    name: str
    run: Callable[[], Awaitable[bool]]
    every: float = 1.0
    leased: bool = False
    stale_after: float = 120.0
    gauges: Sequence[Gauge] = ()


class WorkerLoop:
    """Runs one Worker until stopped; errors are logged, counted and backed off, never fatal."""

    def __init__(self, worker: Worker, database: Database, health: Health, holder: str) -> None:
        self._worker = worker
        self._database = database
        self._health = health
        self._holder = holder
        self._stopping = False
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Run now instead of at the next turn."""
        self._wake.set()

    def stop(self) -> None:
        """Finish the turn at hand and end."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Take turns until stopped."""
        backoff = 0.0
        while not self._stopping:
            self._health.beat(self._worker.name, self._worker.stale_after)
            self._wake.clear()
            more = False
            try:
                if await self._may_run():
                    more = await self._worker.run()
                backoff = 0.0
            except Exception as error:
                backoff = min(max(backoff * 2, 0.2), MAX_BACKOFF)
                level = seen.log().warning if is_transient(error) else seen.log().error
                level("worker_failed", worker=self._worker.name, error=describe(error), at=where(error))
            if not more and not self._stopping:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), backoff or self._worker.every)
        self._health.forget(self._worker.name)

    async def _may_run(self) -> bool:
        if not self._worker.leased:
            return True
        async with self._database.transaction() as transaction:
            epoch = await take_lease(
                transaction.connection, self._worker.name, self._holder, max(self._worker.every * 3, 15.0)
            )
        seen.lease_held.labels(self._worker.name).set(epoch is not None)
        if epoch is None:
            for gauge in self._worker.gauges:
                gauge.set(0)
        return epoch is not None
