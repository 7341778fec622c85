"""Remember what functions really answered, so that a test chat can offer it; forget erased dialogs."""

from __future__ import annotations

from uuid import UUID

from agent_svc.domain.function_answers import answers_in
from agent_svc.outbound import function_answer_store as store
from agent_svc.outbound import test_chat_store
from agent_svc.outbound.function_answer_store import Heard
from chassis.database import Transaction
from chassis.objects import MissingObjectError, ObjectStore
from contracts.dialogs import DialogCompleted, DialogErased, InlineTranscript, StoredTranscript


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
    await store.put_answers(transaction.connection, list(heard.values()))


async def forget_dialog(transaction: Transaction, tenant: str, event: DialogErased) -> None:
    """Delete what functions answered in an erased dialog, and the test chat if it was one."""
    await store.forget_dialog(transaction.connection, tenant, event.dialog_id)
    try:
        dialog_id = UUID(event.dialog_id)
    except ValueError:
        return
    await test_chat_store.delete_chat(transaction.connection, tenant, dialog_id)
