"""Publish what happened to dialogs: transcripts as of one of their messages, and ratings."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter

from chassis.database import Transaction
from contracts.chat import Source
from contracts.dialogs import DialogCompleted, DialogRated, SameTranscript, Transcript
from dialog_svc.domain.dialog import Completion, Dialog, Node, Rating, path_to
from dialog_svc.outbound import dialog_store as store
from dialog_svc.outbound.transcripts import TranscriptStore

_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


async def publish_dialogs(
    transaction: Transaction, transcripts: TranscriptStore, dialogs: Sequence[Dialog]
) -> dict[store.Leaf, int]:
    """Publish what happened to each dialog, in order; returns the revision of each of their leaves.

    A leaf that was published before keeps its revision, and the event does not repeat the transcript.
    """
    if not dialogs:
        return {}
    connection = transaction.connection
    completed = [
        (one.tenant, one.id) for one in dialogs if any(isinstance(what, Completion) for what in one.happened)
    ]
    rows = await store.all_messages(connection, completed) if completed else {}
    published = await store.published_revisions(connection, completed) if completed else {}
    made: list[store.Revision] = []
    for dialog in dialogs:
        for what in dialog.happened:
            if isinstance(what, Rating):
                transaction.publish(_rated(dialog, what), tenant=dialog.tenant)
                continue
            slot = (dialog.tenant, dialog.id, what.leaf)
            again = slot in published
            if not again:
                dialog.revision += 1
                published[slot] = dialog.revision
                made.append((*slot, dialog.revision, what.reason))
            event = await _completed(
                dialog, what, rows[dialog.tenant, dialog.id], published[slot], transcripts, again=again
            )
            transaction.publish(event, tenant=dialog.tenant)
    await store.insert_revisions(connection, made)
    await store.upsert_ratings(connection, dialogs)
    return published


async def _completed(
    dialog: Dialog,
    completion: Completion,
    rows: Sequence[store.Row],
    revision: int,
    transcripts: TranscriptStore,
    *,
    again: bool,
) -> DialogCompleted:
    by_id = {row["message_id"]: row for row in rows}
    path = [by_id[node.id] for node in path_to(completion.leaf, nodes_of(rows))]
    transcript: Transcript = SameTranscript(same_as=revision)
    if not again or completion.reason == "selected":  # who asks for it may have let go of it since
        transcript = await transcripts.publishable(dialog.tenant, dialog.id, path)
    return DialogCompleted(
        dialog_id=dialog.id,
        agent_id=dialog.agent_id,
        revision=revision,
        reason=completion.reason,
        open=completion.open,
        branch=path[-1]["branch"],
        source=_SOURCE.validate_python(dialog.source),
        outcome=completion.outcome,
        started_at=dialog.started_at,
        ended_at=completion.ended_at,
        message_count=len(path),
        transcript=transcript,
    )


def _rated(dialog: Dialog, rating: Rating) -> DialogRated:
    return DialogRated(
        dialog_id=dialog.id,
        revision=max(dialog.revision, 1),
        message_id=rating.message_id,
        rating=rating.rating,
        by=rating.rater,
    )


def nodes_of(rows: Sequence[store.Row]) -> dict[str, Node]:
    """Return the tree that the rows hold."""
    return {
        row["message_id"]: Node(
            row["message_id"], row["parent_id"], row["branch"], row["position"], row["role"]
        )
        for row in rows
    }
