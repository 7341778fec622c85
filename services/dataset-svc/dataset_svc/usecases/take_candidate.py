"""Take in what dialog-svc says of dialogs: transcripts, ratings, erasures."""

from __future__ import annotations

from typing import Any

from chassis.database import Connection, Transaction
from chassis.envelope import Received
from chassis.errors import Permanent
from chassis.objects import ObjectStore
from contracts.datasets import DatasetChanged
from contracts.dialogs import DialogCompleted, DialogErased, DialogRated, InlineTranscript, StoredTranscript
from dataset_svc.domain.message import load
from dataset_svc.domain.weights import Ratings, head, weights
from dataset_svc.outbound import agent_store, candidate_store, example_store
from dataset_svc.usecases.open_example import create_from_candidate


class UnknownTranscriptError(Permanent):
    """The event refers to a transcript of a revision that never came."""


async def take_completed(
    received: Received[DialogCompleted], transaction: Transaction, objects: ObjectStore
) -> None:
    """Keep the transcript as a candidate and fill the examples that waited for it."""
    event, tenant, connection = received.event, received.tenant, transaction.connection
    await candidate_store.lock_dialog(connection, tenant, event.dialog_id)
    if await candidate_store.is_erased(connection, tenant, event.dialog_id):
        return
    candidate = {
        **event.model_dump(include={"dialog_id", "revision", "agent_id", "source", "outcome",
                                    "message_count", "ended_at"}),
        "branch": event.branch or "",
        **await _transcript(connection, tenant, event, objects),
    }  # fmt: skip
    await candidate_store.put_candidate(connection, tenant, candidate)
    await agent_store.ensure_dataset(connection, tenant, event.agent_id)
    for row in await candidate_store.take_pending(connection, tenant, event.dialog_id, event.revision):
        await create_from_candidate(
            transaction, objects, tenant, candidate,
            dataset_id=row["dataset_id"], example_id=row["example_id"], by=row["asked_by"],
        )  # fmt: skip


async def _transcript(
    connection: Connection, tenant: str, event: DialogCompleted, objects: ObjectStore
) -> dict[str, Any]:
    """Return where the messages are: inline ones are kept, stored ones stay where they are."""
    transcript = event.transcript
    if isinstance(transcript, InlineTranscript):
        messages = [one.model_dump(mode="json", exclude_none=True) for one in transcript.messages]
        return {"transcript": messages, "uri": None, "sha256": None}
    if isinstance(transcript, StoredTranscript):
        uri = objects.check(transcript.uri, tenant)
        return {"transcript": None, "uri": uri, "sha256": transcript.sha256}
    earlier = await candidate_store.transcript_of_revision(
        connection, tenant, event.dialog_id, transcript.same_as
    )
    if earlier is None:
        raise UnknownTranscriptError("the revision that same_as names never came")
    return dict(earlier)


async def take_rating(received: Received[DialogRated], transaction: Transaction) -> None:
    """Keep a rating; it changes what the dialog's example teaches until that is saved."""
    event, tenant, connection = received.event, received.tenant, transaction.connection
    await candidate_store.lock_dialog(connection, tenant, event.dialog_id)
    if await candidate_store.is_erased(connection, tenant, event.dialog_id):
        return
    await candidate_store.put_rating(
        connection, tenant, event.dialog_id, event.message_id or "", event.by, event.rating
    )
    ratings = await candidate_store.ratings_of(connection, tenant, event.dialog_id)
    for row in await example_store.set_ratings(connection, tenant, event.dialog_id, ratings):
        now = head(weights(load(row["draft"]), load(row["original"]), Ratings(ratings)))
        await example_store.set_head(connection, tenant, row["id"], now.teaches, now.answers)


async def erase(received: Received[DialogErased], transaction: Transaction) -> None:
    """Forget a dialog: candidates, ratings and examples go, a tombstone stays."""
    event, tenant, connection = received.event, received.tenant, transaction.connection
    await candidate_store.lock_dialog(connection, tenant, event.dialog_id)
    await candidate_store.put_tombstone(connection, tenant, event.dialog_id, event.requested_at)
    await candidate_store.erase_dialog(connection, tenant, event.dialog_id)
    for row in await example_store.delete_of_dialog(connection, tenant, event.dialog_id):
        if row["state"] == "saved":
            changed = DatasetChanged(dialog_id=event.dialog_id, example_id=row["id"], state="removed")
            transaction.publish(changed, tenant=tenant)
