"""A run in the hands of one worker: what it records counts only while its epoch is the newest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from chassis.database import Database, Transaction
from chassis.errors import LeaseLostError
from training_svc.domain.run import Run
from training_svc.outbound import run_store as store
from training_svc.usecases.publish_status import publish_change

Change = Callable[[Run, datetime], Run]
Also = Callable[[Transaction, datetime], Awaitable[None]]


class Hold:
    """A claimed run. `run` is the run as last recorded by this worker."""

    def __init__(self, database: Database, run: Run, lease_seconds: float) -> None:
        self.run = run
        self._database = database
        self._lease_seconds = lease_seconds

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
            if after.is_final:
                due_in = (due_in or 0.0) if after.litter else None
            release = due_in is not None or after.is_final
            if not await store.write_held(transaction.connection, after, due_in=due_in, release=release):
                raise LeaseLostError("a newer epoch holds the run")
            if also is not None:
                await also(transaction, now)
            publish_change(transaction, before, after)
        self.run = after
        return after

    async def keep(self) -> None:
        """Prolong the lease until cancelled; ends when another worker has the run."""
        request = self.run.request
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            async with self._database.transaction() as transaction:
                if not await store.prolong(
                    transaction.connection,
                    request.tenant,
                    request.run_id,
                    self.run.epoch,
                    self._lease_seconds,
                ):
                    return
