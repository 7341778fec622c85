"""The composition root of dataset-svc: everything it does, wired in one place."""

from __future__ import annotations

from typing import cast

from chassis.catalogue import Catalogue
from chassis.leases import Worker
from chassis.routes import api_router
from chassis.service import Parts, Service, Surroundings
from dataset_svc.inbound import (
    http,
    http_checks,
    http_examples,
    http_files,
    http_lineage,
    http_operations,
    http_personal,
    http_suggestions,
    http_versions,
)
from dataset_svc.inbound.events import consumers
from dataset_svc.inbound.lines import read_line
from dataset_svc.outbound.side_process import SideProcess
from dataset_svc.settings import DatasetSettings
from dataset_svc.usecases.check_examples import Checker
from dataset_svc.usecases.erase_dialogs import FileEraser
from dataset_svc.usecases.expire_examples import Expirer, kept
from dataset_svc.usecases.group_examples import Grouper
from dataset_svc.usecases.import_examples import Importer
from dataset_svc.usecases.run_operations import OperationRunner
from dataset_svc.usecases.suggest_dialogs import Suggester
from dataset_svc.usecases.write_version import Freezer

FREEZE = ("freeze", "freeze-2")
"""A small version is not kept waiting by a large one of somebody else."""
CHECK, GROUP, OPERATIONS, ERASE = "check", "group", "operations", "erase-files"
SCOPES = {
    **http.SCOPES, **http_examples.SCOPES, **http_operations.SCOPES, **http_files.SCOPES,
    **http_checks.SCOPES, **http_personal.SCOPES, **http_versions.SCOPES, **http_lineage.SCOPES,
    **http_suggestions.SCOPES,
}  # fmt: skip


def compose(surroundings: Surroundings) -> Parts:
    """Return the parts of dataset-svc."""
    settings = cast(DatasetSettings, surroundings.settings)
    database, objects = surroundings.database, surroundings.objects
    freezer = Freezer(database, objects, lease=settings.freeze_lease)
    catalogue = Catalogue(settings.catalogue, least=settings.min_examples)
    side = SideProcess()
    checker = Checker(database, side)
    # a process of its own: grouping many takes longer than the transaction of a check may wait
    grouping_side = SideProcess()
    grouper = Grouper(database, grouping_side)
    runner = OperationRunner(database, Importer(database, objects, read_line))
    file_eraser = FileEraser(database, objects)
    suggester = Suggester(database, objects)
    days = {
        "unsaved": settings.keep_unsaved_days, "operations": settings.keep_operations_days,
        "candidates": settings.keep_candidates_days,
    }  # fmt: skip
    expirer = Expirer(database, objects, **days)

    def wake_checker() -> None:
        surroundings.wake(CHECK)
        surroundings.wake(GROUP)

    def wake_freezers() -> None:
        for name in FREEZE:
            surroundings.wake(name)

    router = api_router()
    http.add_endpoints(router, database, objects)
    http_examples.add_endpoints(router, database, objects)
    http_operations.add_endpoints(router, database, lambda: surroundings.wake(OPERATIONS))
    http_files.add_endpoints(router, database, objects, lambda: surroundings.wake(OPERATIONS))
    http_checks.add_endpoints(router, database, wake_checker)
    http_personal.add_endpoints(router, database, wake_checker)
    patience = http_versions.Patience(settings.freeze_wait, wake_checker, wake_freezers)
    http_lineage.add_endpoints(router, database)
    http_suggestions.add_endpoints(router, database, objects)
    http_versions.add_endpoints(router, database, catalogue, patience)
    return Parts(
        router=router,
        scopes=SCOPES,
        large_bodies={http_files.IMPORT: settings.import_bytes},
        consumers=consumers(objects),
        workers=[
            *(Worker(name, freezer.freeze_next, every=1.0, stale_after=600.0) for name in FREEZE),
            Worker(CHECK, checker.check_next, every=1.0),
            Worker(GROUP, grouper.group_next, every=1.0, stale_after=600.0),
            Worker(OPERATIONS, runner.run_next, every=1.0),
            Worker(ERASE, file_eraser.erase_next, every=2.0, leased=True),
            Worker("suggest", suggester.suggest_next, every=1.0),
            Worker("expire", expirer.expire_next, every=600.0, stale_after=2000.0),
        ],
        closing=[side.close, grouping_side.close],
        kept=kept(**days),
    )


def create_app(settings: DatasetSettings) -> Service:
    """Return dataset-svc, ready to run."""
    return Service(settings, compose)
