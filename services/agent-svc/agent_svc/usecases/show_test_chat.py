"""Read a test chat, with what the functions that wait for an answer really answered last time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agent_svc.domain.chat_errors import no_chat
from agent_svc.domain.chat_tree import Call, Chat
from agent_svc.domain.function_answers import arguments_hash
from agent_svc.outbound import function_answer_store
from agent_svc.outbound import test_chat_store as store
from chassis.database import Connection


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A function call that waits for its answer, and what is offered for it."""

    column: int
    message_id: str
    call: Call
    likely: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Shown:
    """A test chat as of a moment."""

    chat: Chat
    calls: list[OpenCall]


async def show_test_chat(connection: Connection, tenant: str, dialog_id: UUID) -> Shown:
    """Return a test chat; raises a 404 Problem."""
    chat = await store.get_chat(connection, tenant, dialog_id)
    if chat is None:
        raise no_chat()
    calls, seen = [], set[tuple[str, str]]()
    for column in range(len(chat.columns)):
        end = chat.end_of(column)
        asked = next((node.id for node in reversed(chat.path(end)) if node.role == "assistant"), "")
        for call in chat.open_calls(end):
            if (asked, call.id) not in seen:
                seen.add((asked, call.id))
                likely = await function_answer_store.likely_answer(
                    connection, tenant, chat.agent_id, call.name, arguments_hash(call.arguments)
                )
                calls.append(OpenCall(column, asked, call, dict(likely) if likely else None))
    return Shown(chat, calls)
