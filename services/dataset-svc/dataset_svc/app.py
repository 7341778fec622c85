"""The composition root of dataset-svc: everything it does, wired in one place."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter

from chassis.leases import Worker
from chassis.service import Parts, Service, Surroundings
from dataset_svc.inbound import http, http_checks, http_versions
from dataset_svc.inbound.events import consumers
from dataset_svc.outbound.catalogue import read_catalogue
from dataset_svc.outbound.side_process import SideProcess
from dataset_svc.settings import DatasetSettings
from dataset_svc.usecases.check_examples import Checker
from dataset_svc.usecases.write_version import Freezer

FREEZE = ("freeze", "freeze-2")
"""A small version is not kept waiting by a large one of somebody else."""
CHECK = "check"
SCOPES = {**http.SCOPES, **http_checks.SCOPES, **http_versions.SCOPES}


def compose(surroundings: Surroundings) -> Parts:
    """Return the parts of dataset-svc."""
    settings = cast(DatasetSettings, surroundings.settings)
    database, objects = surroundings.database, surroundings.objects
    freezer = Freezer(database, objects, lease=settings.freeze_lease)
    catalogue = read_catalogue(settings.catalogue, settings.min_examples)
    side = SideProcess()
    checker = Checker(database, side)

    def wake_freezers() -> None:
        for name in FREEZE:
            surroundings.wake(name)

    router = APIRouter()
    http.add_endpoints(router, database, objects)
    http_checks.add_endpoints(router, database, lambda: surroundings.wake(CHECK))
    http_versions.add_endpoints(router, database, catalogue, settings.freeze_wait, wake_freezers)
    return Parts(
        router=router,
        scopes=SCOPES,
        consumers=consumers(objects),
        workers=[
            *(Worker(name, freezer.freeze_next, every=1.0, stale_after=600.0) for name in FREEZE),
            Worker(CHECK, checker.check_next, every=1.0),
        ],
        closing=[side.close],
    )


def create_app(settings: DatasetSettings) -> Service:
    """Return dataset-svc, ready to run."""
    return Service(settings, compose)
