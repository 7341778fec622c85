"""What is done again and again: listing, completing silent dialogs, letting old text go."""

from __future__ import annotations

from prometheus_client import Gauge

from chassis.database import Database
from chassis.leases import Worker
from chassis.objects import ObjectStore
from dialog_svc.outbound.dialog_store import Slot
from dialog_svc.outbound.listing_store import listing_lag
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.settings import DialogSettings
from dialog_svc.usecases.complete_silent import complete_silent
from dialog_svc.usecases.erase_dialogs import Eraser
from dialog_svc.usecases.index_dialogs import index_dialogs
from dialog_svc.usecases.retire_dialogs import retire_dialogs

ERASE = "erase"
listing_seconds = Gauge(
    "mortarboard_listing_lag_seconds", "How long the longest waiting dialog waits to be listed as it is"
)


def workers(
    database: Database, transcripts: TranscriptStore, objects: ObjectStore, settings: DialogSettings
) -> list[Worker]:
    """Return the workers of dialog-svc; one instance at a time runs each."""

    async def index() -> bool:
        async with database.transaction() as transaction:
            listing_seconds.set((await listing_lag(transaction.connection)).total_seconds())
            return await index_dialogs(transaction.connection)

    given_up: set[Slot] = set()  # until the next start

    async def sweep() -> bool:
        return await complete_silent(database, transcripts, settings.idle_seconds, given_up)

    async def retire() -> bool:
        async with database.transaction() as transaction:
            return await retire_dialogs(transaction.connection)

    eraser = Eraser(database, objects, settings.erase_settle)
    return [
        Worker(ERASE, eraser.erase_next, every=1.0),
        Worker("empty-folders", eraser.empty_folders, every=5.0, leased=True),
        Worker("index", index, every=settings.index_every, leased=True, gauges=[listing_seconds]),
        Worker("sweep", sweep, every=2.0, leased=True),
        Worker("retire", retire, every=3600.0, leased=True, stale_after=7500.0),
    ]
