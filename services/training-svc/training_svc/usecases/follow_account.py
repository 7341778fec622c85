"""Follow runs by account: one list shows the jobs of all that are due, where that is cheaper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chassis import observability as seen
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.errors import LeaseLostError
from training_svc.domain.errors import ProviderError
from training_svc.domain.job import Job, followed
from training_svc.domain.run import Run
from training_svc.outbound import follow_store
from training_svc.outbound.accounts import Accounts
from training_svc.outbound.provider import Provider
from training_svc.settings import TrainingSettings
from training_svc.usecases.follow_run import follow_run, pause
from training_svc.usecases.hold import Hold, kept
from training_svc.usecases.pin_account import pin_account, waits_for_key
from training_svc.usecases.postpone_run import postpone_run


@dataclass(frozen=True, slots=True)
class Follower:
    """Takes the due runs of one account a turn; several followers, in any number of processes, work
    side by side.

    The run that was longest due is looked at whole, diary included; of the others, those of which the list
    shows something new. So each run's diary is read in its turn, and a status never waits for one.
    """

    database: Database
    accounts: Accounts
    catalogue: Catalogue
    settings: TrainingSettings

    async def turn(self, claimed: Callable[[], None]) -> bool:
        """Look at the runs of one account; False when none is due. `claimed` is called when some are."""
        lease = self.settings.lease_seconds
        async with self.database.transaction() as transaction:
            runs = await follow_store.claim_account(
                transaction.connection, lease, self.settings.follow_interval / 2
            )
        if not runs:
            return False
        claimed()
        holds = [Hold(self.database, run, self.settings.files_kept) for run in runs]
        async with kept(self.database, holds, lease):
            await self._look(holds)
        return True

    async def _look(self, holds: Sequence[Hold]) -> None:
        try:
            holds = [hold for hold in holds if await self._pinned(hold)]
            if not holds:
                return
            provider = await self.accounts.open(holds[0].run)
            jobs = await _jobs(provider, [hold.run for hold in holds])
        except Exception as error:
            for hold in holds:
                await self._postpone(hold, error)
            return
        quiet = []
        for hold in holds:
            job = jobs[hold.run.job_id or ""]
            if isinstance(job, ProviderError):
                await self._postpone(hold, job)
            elif hold is holds[0] or self._is_news(hold.run, job):
                await self._follow(hold, provider, job)
            else:
                quiet.append(hold.run)
        if quiet:
            pauses = [pause(run, self.settings) for run in quiet]
            async with self.database.transaction() as transaction:
                await follow_store.note_unchanged(transaction.connection, quiet, pauses)

    async def _pinned(self, hold: Hold) -> bool:
        """Pin a renewed key; False when that puts the run into another account, or it was taken over."""
        if not waits_for_key(hold.run):
            return True
        version = hold.run.key_version
        try:
            await pin_account(self.database, self.catalogue, hold)
            if hold.run.key_version == version:
                return True
            await hold.record(lambda run, _: run, due_in=0.0)
        except LeaseLostError:
            _taken_over(hold)
        return False

    def _is_news(self, run: Run, job: Job) -> bool:
        """Tell whether the job as listed changes anything that is known of the run."""
        if run.checked_at is None:
            return True
        model = self.catalogue.base_model(run.request.provider, run.request.base_model)
        after = followed(run, job, model.price if model else None, run.checked_at)
        return after != replace(run, failures=0)

    async def _follow(self, hold: Hold, provider: Provider, job: Job) -> None:
        try:
            await follow_run(hold, provider, self.database, self.catalogue, self.settings, job)
        except LeaseLostError:
            _taken_over(hold)
        except Exception as error:
            await self._postpone(hold, error)

    async def _postpone(self, hold: Hold, error: Exception) -> None:
        try:
            await postpone_run(hold, error, self.settings, self.catalogue)
        except LeaseLostError:
            _taken_over(hold)


def _taken_over(hold: Hold) -> None:
    seen.log().info("run_taken_over", run_id=hold.run.request.run_id, epoch=hold.run.epoch)


async def _jobs(provider: Provider, runs: Sequence[Run]) -> dict[str, Job | ProviderError]:
    """Return the job of each run by its id, or why it could not be seen."""
    wanted = {run.job_id or "" for run in runs}
    found: dict[str, Job | ProviderError] = {}
    if len(wanted) > 1:
        found.update(await provider.listed_jobs(wanted))
    for job_id in wanted - found.keys():
        try:
            found[job_id] = await provider.job(job_id)
        except ProviderError as error:
            if len(wanted) == 1:
                raise
            found[job_id] = error
    return found
