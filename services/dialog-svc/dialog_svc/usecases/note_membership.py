"""Note which dialogs are in the dataset."""

from __future__ import annotations

from collections.abc import Sequence

from chassis.database import Transaction
from chassis.envelope import AnyReceived
from dialog_svc.outbound import dialog_store, listing_store


async def note_membership(batch: Sequence[AnyReceived], transaction: Transaction) -> None:
    """Take a batch of dataset.changed in: the newest state of each dialog counts."""
    members = {(one.tenant, one.event.dialog_id): one.event.state == "saved" for one in batch}
    # dialogs are locked before listings, here as everywhere
    await dialog_store.mark_unlisted(transaction.connection, sorted(members))
    await listing_store.set_members(transaction.connection, members)
