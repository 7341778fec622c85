"""A run in the hands of one worker: what it records counts only while its epoch is the newest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from chassis import observability as seen
from chassis.database import Database, Transaction
from chassis.errors import LeaseLostError, describe, where
from training_svc.domain.run import Run, ended
from training_svc.outbound import model_store
from training_svc.outbound import run_store as store
from training_svc.usecases.publish_status import publish_change

Change = Callable[[Run, datetime], Run]
Also = Callable[[Transaction, datetime], Awaitable[None]]


WEEK = 7 * 86_400.0


class Hold:
    """A claimed run. `run` is the run as last recorded by this worker.

    Once it ends, its files stay at the provider for `keep_files` seconds.
    """

    def __init__(self, database: Database, run: Run, keep_files: float = WEEK) -> None:
        self.run = run
        self._database = database
        self._keep_files = keep_files

    async def record(self, change: Change, *, due_in: float | None = None, also: Also | None = None) -> Run:
        """Change the run under its row lock and publish what became visible, in one transaction.

        With `due_in` (seconds) the run is given back; one that ended is given back for good, once
        nothing of it lies about at the provider. Raises LeaseLostError when the epoch is past.
        """
        request, epoch, poll_no = self.run.request, self.run.epoch, self.run.poll_no
        async with self._database.transaction() as transaction:
            found = await store.lock_held(
                transaction.connection, request.tenant, request.run_id, epoch, poll_no
            )
            if found is None:
                raise LeaseLostError("a newer epoch holds the run")
            before, now = found
            after = change(before, now)
            if after.is_final and not before.is_final:
                after = ended(after, now, self._keep_files)
            if before.asked not in {None, self.run.asked} and due_in is not None:
                due_in = 0.0  # what was asked for meanwhile must not wait
            if after.is_final:
                due_in = (due_in or 0.0) if after.litter else None
            release = due_in is not None or after.is_final
            if not await store.write_held(transaction.connection, after, due_in=due_in, release=release):
                raise LeaseLostError("a newer epoch holds the run")
            if also is not None:
                await also(transaction, now)
            if after.status == "ready" and before.status != "ready":
                await model_store.add_models(transaction.connection, after)
            publish_change(transaction, before, after)
        self.run = after
        return after


@asynccontextmanager
async def kept(database: Database, holds: Sequence[Hold], lease_seconds: float) -> AsyncIterator[None]:
    """Prolong the lease of these runs while the block runs; those given back or taken over stay so."""
    keeping = asyncio.create_task(_keep(database, [hold.run for hold in holds], lease_seconds))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep(database: Database, runs: Sequence[Run], lease_seconds: float) -> None:
    more = True
    while more:
        await asyncio.sleep(lease_seconds / 3)
        try:
            async with database.transaction() as transaction:
                more = await store.prolong(transaction.connection, runs, lease_seconds)
        except Exception as error:  # the next try may come in time; if not, the epoch tells
            seen.log().warning("lease_not_prolonged", error=describe(error), at=where(error))
