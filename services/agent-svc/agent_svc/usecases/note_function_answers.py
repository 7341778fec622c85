"""Remember what functions really answered, so that a test chat can offer it."""

from __future__ import annotations

from agent_svc.domain.function_answers import answers_in
from agent_svc.outbound import function_answer_store as store
from agent_svc.outbound.function_answer_store import Heard
from agent_svc.usecases.forget_dialog import note_heard
from chassis import tombstones
from chassis.database import Transaction
from chassis.objects import MissingObjectError, ObjectStore
from contracts.dialogs import DialogCompleted, InlineTranscript, StoredTranscript


async def note_function_answers(
    transaction: Transaction, objects: ObjectStore, tenant: str, event: DialogCompleted
) -> None:
    """Keep the last answer to each call of a live dialog; a transcript seen before says nothing new."""
    if event.source != "live":
        return
    transcript = event.transcript
    if isinstance(transcript, StoredTranscript):
        try:
            body = await objects.read(transcript.uri, tenant, transcript.sha256)
        except MissingObjectError:
            return  # erased since, or past its time: then nothing of it is to be offered either
        transcript = InlineTranscript.model_validate_json(body)
    if not isinstance(transcript, InlineTranscript):
        return
    heard = {
        (one.name, one.arguments): Heard(tenant, event.agent_id, *one, event.dialog_id, event.ended_at)
        for one in answers_in(transcript.messages)
    }
    if not heard:
        return
    slot = (tenant, event.dialog_id)
    if await tombstones.find(transaction.connection, "dialog", [slot]):
        await note_heard(transaction, slot)
        return
    await store.put_answers(transaction.connection, list(heard.values()))
