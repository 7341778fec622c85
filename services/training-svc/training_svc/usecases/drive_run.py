"""Drive runs: claim one that is due, take it as far as it goes now, give it back."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from chassis import observability as seen
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.errors import LeaseLostError
from chassis.objects import ObjectStore
from training_svc.domain.errors import WaitsForOwnerError
from training_svc.domain.run import given_up, must_not_start
from training_svc.outbound import run_store
from training_svc.outbound.accounts import Accounts
from training_svc.settings import TrainingSettings
from training_svc.usecases.follow_run import follow_run
from training_svc.usecases.hold import Hold, kept
from training_svc.usecases.pin_account import pin_account
from training_svc.usecases.postpone_run import postpone_run
from training_svc.usecases.submit_run import confirm_run, submit_run
from training_svc.usecases.upload_files import remove_files


@dataclass(frozen=True, slots=True)
class Driver:
    """Takes one due run a turn; several drivers, in any number of processes, work side by side.

    Runs whose job is merely looked at are a Follower's: long uploads must not keep them waiting.
    """

    database: Database
    objects: ObjectStore
    accounts: Accounts
    catalogue: Catalogue
    settings: TrainingSettings

    async def turn(self) -> bool:
        """Drive one run; False when none is due."""
        async with self.database.transaction() as transaction:
            run = await run_store.claim(transaction.connection, self.settings.lease_seconds)
        if run is None:
            return False
        hold = Hold(self.database, run, self.settings.files_kept)
        try:
            async with kept(self.database, [hold], self.settings.lease_seconds):
                await self._advance_or_postpone(hold)
        except LeaseLostError:
            seen.log().info("run_taken_over", run_id=run.request.run_id, epoch=run.epoch)
        return True

    async def _advance_or_postpone(self, hold: Hold) -> None:
        try:
            await self._advance(hold)
        except LeaseLostError:
            raise
        except Exception as error:
            await postpone_run(hold, error, self.settings, self.catalogue)

    async def _advance(self, hold: Hold) -> None:
        if hold.run.is_final:
            await self._tidy_up(hold)
            return
        if hold.run.step in {"preparing", "uploading"} and must_not_start(hold.run):
            await hold.record(given_up)
            return
        await pin_account(self.database, self.catalogue, hold)
        provider = await self.accounts.open(hold.run)
        if hold.run.step == "following":
            await follow_run(hold, provider, self.database, self.catalogue, self.settings)
        elif hold.run.step in {"creating", "confirming"}:
            await confirm_run(hold, provider, self.objects, self.settings)
        else:
            await submit_run(hold, provider, self.objects)

    async def _tidy_up(self, hold: Hold) -> None:
        """Remove the files of a run that ended without a job."""
        with contextlib.suppress(WaitsForOwnerError):
            await remove_files(hold.run, await self.accounts.open(hold.run))
        await hold.record(lambda run, _: replace(run, litter=False))
