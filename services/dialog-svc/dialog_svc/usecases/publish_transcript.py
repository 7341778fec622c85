"""Publish a dialog's transcript as of one of its messages."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter

from chassis.database import Transaction
from contracts.chat import Source
from contracts.dialogs import DialogCompleted, SameTranscript, Transcript
from dialog_svc.domain.dialog import Completion, Dialog, Node, path_to
from dialog_svc.outbound import dialog_store as store
from dialog_svc.outbound.transcripts import TranscriptStore

_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


async def publish_transcript(
    transaction: Transaction,
    transcripts: TranscriptStore,
    dialog: Dialog,
    completion: Completion,
    rows: Sequence[store.Row],
    published: dict[tuple[str, str, str], int],
) -> int:
    """Publish `completion` and return its revision: a new one unless this leaf was published before.

    `rows` are all the dialog's messages; `published` is brought up to date.
    """
    by_id = {row["message_id"]: row for row in rows}
    path = [by_id[node.id] for node in path_to(completion.leaf, nodes_of(rows))]
    slot = (dialog.tenant, dialog.id, completion.leaf)
    transcript: Transcript
    revision = published.get(slot)
    if revision is None:
        dialog.revision += 1
        revision = published[slot] = dialog.revision
        await store.insert_revision(transaction.connection, dialog, completion.leaf, completion.reason)
        transcript = await transcripts.publishable(dialog.tenant, path)
    else:
        transcript = SameTranscript(same_as=revision)
    transaction.publish(
        DialogCompleted(
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
        ),
        tenant=dialog.tenant,
    )
    return revision


def nodes_of(rows: Sequence[store.Row]) -> dict[str, Node]:
    """Return the tree that the rows hold."""
    return {
        row["message_id"]: Node(
            row["message_id"], row["parent_id"], row["branch"], row["position"], row["role"]
        )
        for row in rows
    }
