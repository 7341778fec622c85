"""Rate a dialog, or one of its answers, on behalf of somebody of the account."""

from __future__ import annotations

from chassis import audit
from chassis.database import Transaction
from dialog_svc.domain.dialog import Rating
from dialog_svc.domain.errors import no_dialog, no_message, not_an_answer
from dialog_svc.outbound import dialog_store as store
from dialog_svc.outbound import listing_store
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.usecases.publish_dialog import publish_dialogs


async def rate_dialog(
    transaction: Transaction,
    transcripts: TranscriptStore,
    *,
    tenant: str,
    subject: str,
    dialog_id: str,
    rating: Rating,
) -> None:
    """Keep the rating and publish it; the same one again is published again, which changes nothing.

    Raises a 404 Problem for an unknown dialog or message, a 409 for a message that is no answer.
    """
    connection = transaction.connection
    dialog = await store.lock_dialog(connection, tenant, dialog_id)
    if dialog is None:
        raise no_dialog()
    if rating.message_id is not None:
        known = await store.known_messages(connection, [(tenant, dialog_id, rating.message_id)])
        node = known.get((tenant, dialog_id), {}).get(rating.message_id)
        if node is None:
            raise no_message()
        if node.role != "assistant":
            raise not_an_answer()
    dialog.rate(rating)
    await publish_dialogs(transaction, transcripts, [dialog])
    await store.update_dialogs(connection, [dialog])
    await listing_store.show_rating(connection, tenant, dialog_id, dialog.rating)
    await audit.record(
        connection,
        tenant=tenant,
        subject=subject,
        action="dialog.rated",
        object_id=dialog_id,
        message_id=rating.message_id,
        rating=rating.rating,
        by=rating.rater,
    )
