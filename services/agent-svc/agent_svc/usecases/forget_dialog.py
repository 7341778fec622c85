"""Forget an erased dialog: what functions answered in it, what was recorded, the test chat if it was one."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from agent_svc.outbound import function_answer_store, test_chat_store, turn_store
from chassis import outbox, tombstones
from chassis.database import Transaction
from chassis.tombstones import Slot, Tombstone
from contracts.chat import MessagePosted
from contracts.dialogs import DialogErased, DialogForgotten, Holding

SERVICE = "agent-svc"


async def forget_dialog(transaction: Transaction, tenant: str, event: DialogErased) -> None:
    """Delete what is held of the dialog; a tombstone stays, so that nothing of it is recorded again."""
    connection, dialog_id = transaction.connection, event.dialog_id
    erasure_id = UUID(event.erasure_id) if event.erasure_id else None
    await tombstones.put(connection, [Tombstone(tenant, "dialog", dialog_id, event.requested_at, erasure_id)])
    answers = await function_answer_store.forget_dialog(connection, tenant, dialog_id)
    # whoever is recording a turn of it is waited for: then what it stored for the relay goes as well
    await turn_store.forget_dialog(connection, tenant, dialog_id)
    await outbox.withdraw(connection, MessagePosted.TOPIC, [(tenant, dialog_id)])
    chat = await _delete_test_chat(transaction, tenant, dialog_id)
    if erasure_id is None:
        return
    held = (Holding(kind="test_chat", id=dialog_id, state="deleted"),) if chat else ()
    forgotten = DialogForgotten(
        erasure_id=str(erasure_id), service=SERVICE, state="done",
        removed={"function_answers": answers, "test_chats": int(chat)}, held=held, at=datetime.now(UTC),
    )  # fmt: skip
    transaction.publish(forgotten, tenant=tenant)


async def _delete_test_chat(transaction: Transaction, tenant: str, dialog_id: str) -> bool:
    try:
        chat_id = UUID(dialog_id)
    except ValueError:
        return False
    return await test_chat_store.delete_chat(transaction.connection, tenant, chat_id)


async def note_heard(transaction: Transaction, slot: Slot) -> None:
    """Note, and report, that something of an erased dialog came again and was dropped."""
    for row in await tombstones.note_heard(transaction.connection, "dialog", [slot]):
        if row["erasure_id"] is not None:
            again = DialogForgotten(
                erasure_id=str(row["erasure_id"]), service=SERVICE, state="done", at=datetime.now(UTC),
                heard_at=row["heard_at"],
            )  # fmt: skip
            transaction.publish(again, tenant=slot[0])
