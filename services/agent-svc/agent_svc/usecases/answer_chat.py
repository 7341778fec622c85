"""Answer a chat request by the model that serves the agent now, and record what was said."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent_svc.domain.agent import Agent, Answering, answering
from agent_svc.domain.errors import no_agent, no_key, no_provider
from agent_svc.domain.recording import Message, answer_of, message_id, new_messages
from agent_svc.outbound import route_store
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.observability import log
from chassis.vault import SecretId, Vault
from contracts.chat import ChatMessage, MessagePosted


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything needed to ask the provider and to record the dialog afterwards."""

    agent: Agent
    answering: Answering
    base_url: str
    allow_private: bool
    secret: str
    body: dict[str, Any]


async def plan_answer(
    database: Database,
    vault: Vault,
    catalogue: Catalogue,
    *,
    tenant: str,
    agent_id: str,
    dialog_id: str,
    body: dict[str, Any],
) -> Plan:
    """Look up who answers; the agent's prompt and functions are put in where the request has none.

    Raises a 404 Problem for an unknown agent, a 409 when it has no key.
    """
    async with database.tenant_connection() as connection:
        found = await route_store.plan_answer(connection, tenant, agent_id)
    if found is None:
        raise no_agent()
    agent, route, keys = found
    who = answering(agent, route, keys.values(), dialog_id)
    if who is None or who.key_id not in keys:
        raise no_key()
    entry = catalogue.provider(who.provider)
    if entry is None or entry.base_url is None:
        raise no_provider()
    key = keys[who.key_id]
    secret = vault.open(SecretId(tenant, key.key_id, key.version), key.sealed)
    return Plan(agent, who, entry.base_url, entry.allow_private, secret, _complete(body, agent, who.model))


def _complete(body: dict[str, Any], agent: Agent, model: str) -> dict[str, Any]:
    messages = list(body["messages"])
    if not any(message.get("role") in {"system", "developer"} for message in messages):
        messages.insert(0, {"role": "system", "content": agent.prompt})
    full = {**body, "model": model, "messages": messages}
    if agent.tools and "tools" not in body:
        full["tools"] = agent.tools
        parallel = agent.definition.get("parallel_tool_calls")
        if parallel is not None:
            full.setdefault("parallel_tool_calls", parallel)
    return full


async def record_answer(
    database: Database,
    plan: Plan,
    *,
    tenant: str,
    dialog_id: str,
    answer: bytes,
    streamed: bool,
) -> None:
    """Publish what was new in the request, and the answer as far as it came, to chat.events."""
    if plan.agent.definition["recorded_by"] != "gateway":
        return
    messages = [message for message in plan.body["messages"] if message.get("role") != "system"]
    new = [
        (message_id(dialog_id, messages[: place + 1]), message) for place, message in new_messages(messages)
    ]
    said = answer_of(answer, streamed=streamed)
    if said is not None:
        new.append((message_id(dialog_id, [*messages, said]), said))
    async with database.tenant_transaction(tenant) as transaction:
        for identifier, message in new:
            event = _event(plan, dialog_id, identifier, message)
            if event is None:
                log().warning("message_not_recorded", role=str(message.get("role"))[:16])
            else:
                transaction.publish(event, tenant=tenant)


def _event(plan: Plan, dialog_id: str, identifier: str, message: Message) -> MessagePosted | None:
    answer = message.get("role") == "assistant"
    kept = {
        name: message[name] for name in ("role", "content", "tool_calls", "tool_call_id") if message.get(name)
    }
    if not answer:
        kept.setdefault("content", "")
    try:
        chat_message = ChatMessage.model_validate(
            {
                **kept,
                "id": identifier,
                "author": {"assistant": "model", "user": "client"}.get(
                    str(message.get("role")), "automation"
                ),
                "at": datetime.now(UTC),
                "model": plan.answering.model if answer else None,
            }
        )
        return MessagePosted(
            dialog_id=dialog_id,
            agent_id=plan.agent.agent_id,
            agent_version=plan.agent.version,
            message=chat_message,
            source="live",
        )
    except ValueError:
        return None


async def collect(chunks: AsyncIterator[bytes], into: bytearray, limit: int) -> AsyncIterator[bytes]:
    """Pass bytes through and keep a copy of at most `limit` of them."""
    async for chunk in chunks:
        if len(into) < limit:
            into += chunk
        yield chunk
