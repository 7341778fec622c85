"""Complete the dialogs that nobody continued."""

from __future__ import annotations

from chassis.database import Transaction
from dialog_svc.outbound import clock_store
from dialog_svc.outbound import dialog_store as store
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.usecases.publish_dialog import publish_dialogs

BATCH = 100


async def complete_silent(transaction: Transaction, transcripts: TranscriptStore, idle_seconds: int) -> bool:
    """Complete up to `BATCH` silent dialogs with reason idle; returns whether there may be more.

    Time is that of the dialog's partition, so an outage, during which messages wait there, makes no
    dialog silent. `idle_seconds` is for agents that are not known yet.
    """
    slots = await clock_store.lock_silent(transaction.connection, idle_seconds, BATCH)
    if not slots:
        return False
    dialogs = list((await store.lock_known(transaction.connection, slots)).values())
    for dialog in dialogs:
        dialog.fall_silent()
    await publish_dialogs(transaction, transcripts, dialogs)
    await store.update_dialogs(transaction.connection, dialogs)
    return len(slots) == BATCH
