"""Take in what dialog-svc says of dialogs, a batch at a time: transcripts, ratings, erasures.

A batch is folded per dialog, in partition order, into what is true in the end; then each kind is
written with one statement. An erasure outlasts whatever came before or comes after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from pydantic import TypeAdapter

from chassis.consumer import Fold
from chassis.database import Connection, Transaction
from chassis.envelope import AnyReceived
from chassis.errors import Permanent
from chassis.objects import ObjectStore
from contracts.dialogs import (
    DialogCompleted,
    DialogErased,
    DialogRated,
    InlineTranscript,
    StoredTranscript,
    TranscriptMessage,
)
from dataset_svc.domain.dialog import Candidate, Dialog
from dataset_svc.domain.message import load
from dataset_svc.domain.weights import Ratings, head, weights
from dataset_svc.outbound import agent_store, candidate_store, example_store
from dataset_svc.outbound.candidate_store import Slot
from dataset_svc.usecases.erase_dialogs import erase_dialogs, note_heard
from dataset_svc.usecases.open_example import fill_pending

_MESSAGES = TypeAdapter(tuple[TranscriptMessage, ...])


class UnknownTranscriptError(Permanent):
    """The event refers to a transcript of a revision that never came."""


def dialog_fold(objects: ObjectStore) -> Fold:
    """Return the fold of dialog.completed."""
    return partial(take_in_dialogs, objects=objects)


async def take_in_dialogs(
    batch: Sequence[AnyReceived], transaction: Transaction, objects: ObjectStore
) -> None:
    """Give the events of a batch their effect."""
    connection = transaction.connection
    dialogs = fold(batch, objects)
    await candidate_store.share_dialogs(connection, list(dialogs))
    forgotten = await candidate_store.erased(connection, list(dialogs))
    await erase_dialogs(transaction, [one for one in dialogs.values() if one.erased_at])
    await note_heard(transaction, [slot for slot in forgotten if dialogs[slot].candidates])
    living = [one for slot, one in dialogs.items() if not one.erased_at and slot not in forgotten]
    await _rate(connection, [one for one in living if one.ratings])
    await _keep_candidates(transaction, objects, [one for one in living if one.candidates])


def fold(batch: Sequence[AnyReceived], objects: ObjectStore) -> dict[Slot, Dialog]:
    """Return what the events of a batch, in partition order, make of each dialog."""
    dialogs: dict[Slot, Dialog] = {}
    for received in batch:
        slot = (received.tenant, received.event.dialog_id)
        dialog = dialogs.setdefault(slot, Dialog(*slot))
        event = received.event
        if isinstance(event, DialogErased):
            dialog.erased_at = event.requested_at
            dialog.erasure_id = UUID(event.erasure_id) if event.erasure_id else None
        elif isinstance(event, DialogRated):
            dialog.rate(event.message_id or "", event.by, event.rating)
        elif isinstance(event, DialogCompleted):
            dialog.complete(_candidate(event, received.tenant, objects))
    return dialogs


def _candidate(event: DialogCompleted, tenant: str, objects: ObjectStore) -> Candidate:
    """Return where the messages are: inline ones come along, stored ones stay where they are."""
    transcript = event.transcript
    messages, uri, sha256, same_as = None, None, None, None
    if isinstance(transcript, InlineTranscript):
        messages = _MESSAGES.dump_json(transcript.messages, exclude_none=True)
    elif isinstance(transcript, StoredTranscript):
        uri, sha256 = objects.check(transcript.uri, tenant), transcript.sha256
    else:
        same_as = transcript.same_as
    return Candidate(
        event.dialog_id, event.revision, event.branch or "", event.agent_id, event.source, event.outcome,
        event.message_count, event.ended_at, messages, uri, sha256, same_as,
    )  # fmt: skip


async def _rate(connection: Connection, dialogs: Sequence[Dialog]) -> None:
    """Keep ratings; they change what a dialog's example teaches until that is saved."""
    if not dialogs:
        return
    await candidate_store.put_ratings(connection, dialogs)
    slots = [(one.tenant, one.id) for one in dialogs]
    rows = await example_store.never_saved(connection, slots)
    if not rows:
        return
    ratings = await candidate_store.ratings_of(connection, slots)
    changed = []
    for row in rows:
        rated = ratings.get((row["tenant_id"], row["dialog_id"]), {})
        now = head(weights(load(row["draft"]), load(row["original"]), Ratings(rated)))
        changed.append((row["tenant_id"], row["id"], rated, now.teaches, now.answers))
    await example_store.set_ratings(connection, changed)


async def _keep_candidates(transaction: Transaction, objects: ObjectStore, dialogs: Sequence[Dialog]) -> None:
    """Keep transcripts as candidates and fill the examples that waited for them."""
    if not dialogs:
        return
    connection = transaction.connection
    found = [(dialog.tenant, one) for dialog in dialogs for one in dialog.candidates.values()]
    await candidate_store.put_candidates(connection, [one for one in found if one[1].same_as is None])
    again = [one for one in found if one[1].same_as is not None]
    if again and await candidate_store.repeat_candidates(connection, again) < len(again):
        raise UnknownTranscriptError("the revision that same_as names never came")
    await agent_store.ensure_datasets(connection, {(tenant, one.agent_id) for tenant, one in found})
    for row in await candidate_store.take_pending(connection, found):
        await fill_pending(transaction, objects, row)
