"""Say, edit, ask again in a test chat: what becomes of its tree, and what goes to chat.events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from agent_svc.domain.agent import Agent
from agent_svc.domain.chat_errors import chat_changed, no_chat
from agent_svc.domain.chat_tree import Chat, Column, Node, place_of
from agent_svc.domain.errors import no_agent
from agent_svc.domain.key import Key
from agent_svc.outbound import agent_store
from agent_svc.outbound import test_chat_store as store
from agent_svc.outbound.chat import Target
from agent_svc.usecases.choose_model import choose_model, place_in
from chassis import audit
from chassis.catalogue import Catalogue
from chassis.database import Connection, Transaction
from chassis.vault import Vault
from contracts.chat import ChatMessage, MessagePosted

AUTHORS = {"user": "client", "assistant": "model", "tool": "automation"}
CHANNEL = "test-chat"
Change = Callable[[Chat], Sequence[Node]]


@dataclass(frozen=True, slots=True)
class Ask:
    """An answer to ask for: which message it becomes, and all that is needed to ask."""

    tenant: str
    dialog_id: str
    message_id: str
    attempt: int
    target: Target
    key: Key
    body: bytes


@dataclass(frozen=True, slots=True)
class Desk:
    """What a test chat needs besides the database."""

    vault: Vault
    catalogue: Catalogue


async def open_test_chat(
    transaction: Transaction,
    catalogue: Catalogue,
    *,
    tenant: str,
    subject: str,
    agent_id: str,
    title: str,
    columns: Sequence[Column],
) -> Chat:
    """Begin a test chat; raises a 404 Problem for an unknown agent, a 422 for an unknown model."""
    connection = transaction.connection
    agent = await _agent(connection, tenant, agent_id)
    dialog_id = str(uuid7())
    for column in columns:
        await place_in(connection, catalogue, tenant=tenant, agent=agent, dialog_id=dialog_id, column=column)
    chat = Chat(dialog_id, agent_id, title, tuple(columns), [None for _ in columns], 0, 1, None, {})
    await store.insert_chat(connection, tenant, chat, subject)
    await audit.record(
        connection, tenant=tenant, subject=subject, action="test_dialog.opened", object_id=dialog_id,
        agent_id=agent_id,
    )  # fmt: skip
    return chat


async def change_test_chat(
    transaction: Transaction,
    desk: Desk,
    change: Change,
    *,
    tenant: str,
    subject: str,
    dialog_id: UUID,
    seen: int | None,
    action: str,
) -> list[Ask]:
    """Do something to a test chat and publish what was said; returns the answers to ask for.

    `change` returns the messages that become answers. `seen` is the revision that the caller read. Raises a
    404 Problem for an unknown dialog, a 412 for an older revision, and what `change` raises.
    """
    connection = transaction.connection
    chat = await store.lock_chat(connection, tenant, dialog_id)
    if chat is None:
        raise no_chat()
    if seen is not None and seen != chat.revision:
        raise chat_changed(chat.revision)
    agent = await _agent(connection, tenant, chat.agent_id)
    wanted = change(chat)
    for node in list(chat.added):
        if node.status == "said":
            publish_message(transaction, tenant, chat, replace(node, agent_version=agent.version))
    asks = [await _ask(connection, desk, tenant, agent, chat, node) for node in wanted]
    await store.write_chat(connection, tenant, chat)
    await audit.record(
        connection, tenant=tenant, subject=subject, action=action, object_id=chat.dialog_id,
        revision=chat.revision,
    )  # fmt: skip
    return asks


async def _agent(connection: Connection, tenant: str, agent_id: str) -> Agent:
    agent = await agent_store.get_agent(connection, tenant, agent_id)
    if agent is None:
        raise no_agent()
    return agent


async def _ask(connection: Connection, desk: Desk, tenant: str, agent: Agent, chat: Chat, node: Node) -> Ask:
    column = chat.columns[node.column or 0]
    choice = await choose_model(
        connection, desk.vault, desk.catalogue, tenant=tenant, agent=agent, dialog_id=chat.dialog_id,
        column=column,
    )  # fmt: skip
    chat.change(replace(node, model=choice.model, agent_version=agent.version))
    body = request_body(agent, choice.model, chat.path(node.parent))
    return Ask(tenant, chat.dialog_id, node.id, node.attempt, choice.target, choice.key, body)


def request_body(agent: Agent, model: str, said: Sequence[Node]) -> bytes:
    """Return the request to the provider: the agent's prompt and functions, and what was said."""
    body = {
        "model": model,
        "messages": [{"role": "system", "content": agent.prompt}, *map(_in_request, said)],
        "stream": True,
    }
    if agent.tools:
        body["tools"] = agent.tools
        if (parallel := agent.definition.get("parallel_tool_calls")) is not None:
            body["parallel_tool_calls"] = parallel
    return orjson.dumps(body)


def _in_request(node: Node) -> dict[str, object]:
    message: dict[str, object] = {"role": node.role, "content": node.content}
    if node.calls:
        message["tool_calls"] = _calls(node)
    if node.role == "tool":
        message["tool_call_id"] = node.call_id
    return message


def _calls(node: Node) -> list[dict[str, object]]:
    return [
        {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
        for one in node.calls
    ]


def publish_message(transaction: Transaction, tenant: str, chat: Chat, node: Node) -> None:
    """Publish a message to chat.events at its place in the tree, and note where that was."""
    place = place_of(chat, node)
    message = ChatMessage.model_validate(
        {
            "id": node.id,
            "role": node.role,
            "author": AUTHORS[node.role],
            "content": node.content,
            "tool_calls": _calls(node) or None,
            "tool_call_id": node.call_id,
            "at": node.at or datetime.now(UTC),
            "model": node.model if node.role == "assistant" else None,
            "hint": [{"start": span.start, "end": span.end} for span in node.hint] or None,
        }
    )
    event = MessagePosted(
        dialog_id=chat.dialog_id,
        agent_id=chat.agent_id,
        agent_version=node.agent_version,
        message=message,
        replaces=place.replaces,
        after=place.after,
        source="test",
        channel=CHANNEL,
    )
    transaction.publish(event, tenant=tenant)
    chat.change(replace(node, branch=place.branch))
    chat.published_leaf = node.id
