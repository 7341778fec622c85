"""Drive runs: claim one that is due, take it as far as it goes now, give it back."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import datetime

from chassis import observability as seen
from chassis.catalogue import Catalogue
from chassis.database import Database, Transaction
from chassis.errors import LeaseLostError, describe, where
from chassis.objects import ObjectStore
from contracts.training import KeyRefused
from training_svc.domain.errors import (
    BusyError,
    KeyRefusedError,
    MissingError,
    NoAnswerError,
    ProviderError,
    WaitsForOwnerError,
)
from training_svc.domain.run import Run, failed, given_up, must_not_start, needs
from training_svc.outbound import agent_store, run_store
from training_svc.outbound.accounts import Accounts
from training_svc.settings import TrainingSettings
from training_svc.usecases.follow_run import follow_run
from training_svc.usecases.hold import Hold
from training_svc.usecases.start_run import pinned_address
from training_svc.usecases.submit_run import confirm_run, submit_run
from training_svc.usecases.upload_files import remove_files

SILENT_AFTER = 5
LONGEST_BACKOFF = 60.0
TIDY_TRIES = 5


@dataclass(frozen=True, slots=True)
class Driver:
    """Takes one due run a turn; several drivers, in any number of processes, work side by side."""

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
        hold = Hold(self.database, run, self.settings.lease_seconds)
        keeping = asyncio.create_task(hold.keep())
        try:
            await self._advance_or_postpone(hold)
        except LeaseLostError:
            seen.log().info("run_taken_over", run_id=run.request.run_id, epoch=run.epoch)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        return True

    async def _advance_or_postpone(self, hold: Hold) -> None:
        try:
            await self._advance(hold)
        except ProviderError as error:
            await self._postpone(hold, error)

    async def _advance(self, hold: Hold) -> None:
        if hold.run.is_final:
            await self._tidy_up(hold)
            return
        if hold.run.step in {"preparing", "uploading"} and must_not_start(hold.run):
            await hold.record(lambda run, _: given_up(run))
            return
        await self._pin(hold)
        provider = await self.accounts.open(hold.run)
        if hold.run.step == "following":
            await follow_run(hold, provider, self.database, self.catalogue, self.settings)
        elif hold.run.step in {"creating", "confirming"}:
            await confirm_run(hold, provider, self.objects, self.settings)
        else:
            await submit_run(hold, provider, self.objects)

    async def _pin(self, hold: Hold) -> None:
        """Pin the address and the newest version of the key, when none is pinned or the key was refused.

        Never while a create is in doubt: under another account its job could not be found.
        """
        run = hold.run
        refused = run.attention is not None and run.attention.code.startswith("key_")
        if run.step in {"creating", "confirming"} or not (
            run.key_version is None or run.base_url is None or refused
        ):
            return
        async with self.database.transaction() as transaction:
            agent = await agent_store.get_agent(
                transaction.connection, run.request.tenant, run.request.agent_id
            )
        version = agent.key_version(run.request.key_id) if agent else None
        address = run.base_url or pinned_address(self.catalogue, agent, run.request)
        if version is not None and (version, address) != (run.key_version, run.base_url):
            await hold.record(
                lambda run, _: replace(run, key_version=version, base_url=address, attention=None)
            )

    async def _tidy_up(self, hold: Hold) -> None:
        """Remove the files of a run that ended without a job."""
        with contextlib.suppress(WaitsForOwnerError):
            await remove_files(hold.run, await self.accounts.open(hold.run))
        await hold.record(lambda run, _: replace(run, litter=False))

    async def _postpone(self, hold: Hold, error: ProviderError) -> None:
        """Record why the run does not go on now, and when it is tried again."""
        seen.log().warning(
            "run_postponed",
            run_id=hold.run.request.run_id,
            step=hold.run.step,
            error=describe(error),
            at=where(error),
        )
        if hold.run.is_final:
            await hold.record(_tried_to_tidy, due_in=None if hold.run.failures >= TIDY_TRIES else 30.0)
        elif isinstance(error, BusyError):
            await hold.record(lambda run, _: run, due_in=max(error.retry_after, self.settings.follow_fast))
        elif isinstance(error, NoAnswerError):
            pause = max(error.retry_after, min(0.5 * 2**hold.run.failures, LONGEST_BACKOFF))
            await hold.record(_silent, due_in=pause)
        elif hold.run.step in {"following", "confirming"} or isinstance(
            error, KeyRefusedError | WaitsForOwnerError
        ):
            await self._wait_for_owner(hold, error)
        else:
            await hold.record(lambda run, _: failed(run, _why(error), error.param))

    async def _wait_for_owner(self, hold: Hold, error: ProviderError) -> None:
        known = hold.run.attention is not None and hold.run.attention.code == error.code
        request, version = hold.run.request, hold.run.key_version or 1

        async def tell(transaction: Transaction, now: datetime) -> None:
            if isinstance(error, KeyRefusedError) and not known:
                event = KeyRefused(key_id=request.key_id, version=version, code=error.code, at=now)
                transaction.publish(event, tenant=request.tenant)

        # a key that has not been heard of yet is most likely on its way
        young = hold.run.key_version is None and hold.run.poll_no < 30  # noqa: PLR2004
        pause = self.settings.follow_fast if young else self.settings.attention_interval
        await hold.record(
            lambda run, now: run if young else needs(run, error.code, now), due_in=pause, also=tell
        )


def _why(error: ProviderError) -> str:
    return "request_refused" if isinstance(error, MissingError) else error.code


def _silent(run: Run, now: datetime) -> Run:
    run = replace(run, failures=run.failures + 1)
    return needs(run, "provider_silent", now) if run.failures >= SILENT_AFTER and not run.attention else run


def _tried_to_tidy(run: Run, now: datetime) -> Run:  # noqa: ARG001 -- the form of a change
    tries = run.failures + 1
    return replace(run, failures=tries, litter=tries <= TIDY_TRIES)
