"""Complete the dialogs that nobody continued."""

from __future__ import annotations

from chassis import observability as seen
from chassis.database import Database, Transaction
from chassis.errors import describe, is_transient, where
from dialog_svc.outbound import clock_store
from dialog_svc.outbound import dialog_store as store
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.usecases.publish_dialog import publish_dialogs

BATCH = 10


async def complete_silent(
    database: Database,
    transcripts: TranscriptStore,
    idle_seconds: int,
    given_up: set[store.Slot],
    limit: int = BATCH,
) -> bool:
    """Complete up to `limit` silent dialogs with reason idle; returns whether there may be more.

    Time is that of the dialog's partition, so an outage, during which messages wait there, makes no
    dialog silent. `idle_seconds` is for agents that are not known yet. A dialog that cannot be completed
    is logged and added to `given_up`, which are left out.
    """
    slots: list[store.Slot] = []
    try:
        async with database.transaction() as transaction:
            slots = await clock_store.lock_silent(transaction.connection, idle_seconds, limit, given_up)
            await _complete(transaction, transcripts, slots)
    except Exception as error:
        if is_transient(error) or not slots:
            raise
        if len(slots) == 1:
            _give_up(slots[0], given_up, error)
        else:  # one of them is to blame: each by itself
            for _ in slots:
                await complete_silent(database, transcripts, idle_seconds, given_up, limit=1)
    return len(slots) == limit


async def _complete(transaction: Transaction, transcripts: TranscriptStore, slots: list[store.Slot]) -> None:
    if not slots:
        return
    dialogs = list((await store.lock_known(transaction.connection, slots)).values())
    for dialog in dialogs:
        dialog.fall_silent()
    await publish_dialogs(transaction, transcripts, dialogs)
    await store.update_dialogs(transaction.connection, dialogs)


def _give_up(slot: store.Slot, given_up: set[store.Slot], error: Exception) -> None:
    given_up.add(slot)
    seen.log().error(
        "dialog_not_completed", tenant=slot[0], dialog_id=slot[1], error=describe(error), at=where(error)
    )
