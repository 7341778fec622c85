"""Let old text go: shelf by shelf, with everything that refers to it."""

from __future__ import annotations

from chassis.database import Connection
from dialog_svc.outbound import erasure_store, index_store
from dialog_svc.outbound import shelf_store as store
from dialog_svc.outbound.transcripts import folder_of

MOVED, DELETED = 50, 500


async def retire_dialogs(connection: Connection) -> bool:
    """Do one step for the oldest shelf whose time is over; returns whether there may be more to do.

    Dialogs that went on are carried over to the shelf of the month in which they did; the others are
    deleted but for their last revision; an empty shelf is dropped.
    """
    await store.add_shelves(connection)
    shelf = await store.expired_shelf(connection)
    if shelf is None:
        return False
    # the indexer must not write to a shelf that is being emptied
    await index_store.lock_index(connection)
    if living := await store.lock_living(connection, shelf, MOVED):
        await store.carry_over(connection, shelf, living)
        return True
    if silent := await store.lock_silent(connection, shelf, DELETED):
        # once: a dialog may go on after all, and what it publishes then is to stay
        await erasure_store.doom_folders(connection, [(one[0], folder_of(*one)) for one in silent], rounds=1)
        await store.delete_dialogs(connection, silent)
        return True
    return await store.drop_shelf(connection, shelf)
