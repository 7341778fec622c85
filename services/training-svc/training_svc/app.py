"""The composition root of training-svc: everything it does, wired in one place."""

from __future__ import annotations

from functools import partial
from typing import cast

from chassis.catalogue import Catalogue
from chassis.census import census
from chassis.leases import Worker
from chassis.service import Parts, Service, Surroundings
from chassis.vault import Vault, secrets_under_older_keys
from chassis.vault_watch import VaultWatch
from training_svc.inbound import http
from training_svc.inbound.events import consumers
from training_svc.inbound.figures import COUNTS
from training_svc.outbound.accounts import Accounts
from training_svc.settings import TrainingSettings
from training_svc.usecases.drive_run import Driver
from training_svc.usecases.follow_account import Follower
from training_svc.usecases.keep_webhooks import tidy_webhooks
from training_svc.usecases.report_erasures import ErasureReporter
from training_svc.usecases.start_run import StartRun
from training_svc.usecases.tidy_files import Tidier

SCOPES = http.SCOPES
REPORT_EVERY = 2.0
TIDY_EVERY = 600.0
LOOK_SELDOM = 10
"""A follower that waits to be woken looks this many times less often by itself."""


def compose(surroundings: Surroundings) -> Parts:
    """Return the parts of training-svc."""
    settings = cast(TrainingSettings, surroundings.settings)
    catalogue = Catalogue(settings.catalogue)
    accounts = Accounts(settings, catalogue, surroundings.database)
    vault = Vault(settings.keyring())
    driver = Driver(surroundings.database, surroundings.objects, accounts, catalogue, settings)
    follower = Follower(surroundings.database, accounts, catalogue, settings)
    # a turn may upload two files and make some calls, each with its own deadline
    longest_turn = 2 * settings.upload_timeout + 20 * settings.provider_timeout

    drivers = [
        Worker(f"drive-{number}", driver.turn, every=settings.claim_every, stale_after=longest_turn)
        for number in range(1, settings.drivers + 1)
    ]
    tidier = Tidier(surroundings.database, accounts, settings.lease_seconds)
    tidy_files = Worker("tidy-files", tidier.turn, every=settings.tidy_every, stale_after=longest_turn)
    reporter = ErasureReporter(surroundings.database)
    reports = Worker("report-erasures", reporter.turn, every=REPORT_EVERY)
    tidy = Worker(
        "tidy-webhooks",
        partial(tidy_webhooks, surroundings.database, vault),
        every=TIDY_EVERY,
        leased=True,
        stale_after=4 * TIDY_EVERY,
        gauges=[secrets_under_older_keys],
    )
    crew = [*drivers, *_followers(follower, surroundings, settings, longest_turn)]

    def wake() -> None:
        for worker in crew:
            surroundings.wake(worker.name)

    return Parts(
        router=http.router(
            surroundings.database,
            catalogue,
            surroundings.objects,
            vault,
            refresh_gap=settings.refresh_gap,
            wake=wake,
        ),
        scopes=SCOPES,
        consumers=consumers(StartRun(catalogue, surroundings.objects)),
        workers=[
            *crew,
            tidy_files,
            tidy,
            reports,
            census(surroundings.database, COUNTS),
            VaultWatch(surroundings.database, vault, surroundings.health).worker(),
        ],
        closing=[accounts.close],
    )


def _followers(
    follower: Follower, surroundings: Surroundings, settings: TrainingSettings, stale_after: float
) -> list[Worker]:
    """Return the workers that follow: the first looks for work, and who finds some wakes the next.

    So idle followers cost one look at a time, and busy ones are all at work.
    """

    def member(number: int) -> Worker:
        async def turn() -> bool:
            return await follower.turn(lambda: surroundings.wake(f"follow-{number + 1}"))

        every = settings.claim_every * (1 if number == 1 else LOOK_SELDOM)
        return Worker(f"follow-{number}", turn, every=every, stale_after=stale_after)

    return [member(number) for number in range(1, settings.followers + 1)]


def create_app(settings: TrainingSettings) -> Service:
    """Return training-svc, ready to run."""
    return Service(settings, compose)
