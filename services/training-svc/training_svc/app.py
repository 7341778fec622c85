"""The composition root of training-svc: everything it does, wired in one place."""

from __future__ import annotations

from typing import cast

from chassis.catalogue import Catalogue
from chassis.leases import Worker
from chassis.service import Parts, Service, Surroundings
from training_svc.inbound import http
from training_svc.inbound.events import consumers
from training_svc.outbound.accounts import Accounts
from training_svc.settings import TrainingSettings
from training_svc.usecases.drive_run import Driver
from training_svc.usecases.start_run import StartRun

SCOPES = http.SCOPES


def compose(surroundings: Surroundings) -> Parts:
    """Return the parts of training-svc."""
    settings = cast(TrainingSettings, surroundings.settings)
    catalogue = Catalogue(settings.catalogue)
    accounts = Accounts(settings, catalogue, surroundings.database)
    driver = Driver(surroundings.database, surroundings.objects, accounts, catalogue, settings)
    names = [f"drive-{number}" for number in range(1, settings.drivers + 1)]
    # a turn may upload two files and make some calls, each with its own deadline
    longest_turn = 2 * settings.upload_timeout + 20 * settings.provider_timeout

    def wake() -> None:
        for name in names:
            surroundings.wake(name)

    return Parts(
        router=http.router(surroundings.database, catalogue, refresh_gap=settings.refresh_gap, wake=wake),
        scopes=SCOPES,
        consumers=consumers(StartRun(catalogue, surroundings.objects)),
        workers=[
            Worker(name, driver.turn, every=settings.claim_every, stale_after=longest_turn) for name in names
        ],
        closing=[accounts.close],
    )


def create_app(settings: TrainingSettings) -> Service:
    """Return training-svc, ready to run."""
    return Service(settings, compose)
