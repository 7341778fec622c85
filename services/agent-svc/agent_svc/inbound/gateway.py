"""The chat gateway: OpenAI's chat completions, answered by the model that serves the agent.

Bytes pass through: the request is read once, the answer not at all before its last byte is sent. The endpoint
is served below the framework (`chassis.direct`); the router describes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter
from fastapi.responses import Response
from uuid_utils import uuid7

from agent_svc.domain.errors import no_agent
from agent_svc.domain.gateway_errors import (
    ProviderRefusalError,
    agent_unnamed,
    bad_id,
    not_a_request,
    refusal_problem,
)
from agent_svc.domain.limits import Limits
from agent_svc.domain.recording import Message, message_id, spoken
from agent_svc.inbound import gateway_description as described
from agent_svc.inbound.recorder import Recorder
from agent_svc.outbound.chat import Models
from agent_svc.usecases.answer_chat import Answered, Found, Plan, Planner, answer_chat
from agent_svc.usecases.fail_over import Failures
from agent_svc.usecases.record_turns import Turn
from chassis.direct import DirectEndpoint, Exchange, Header
from chassis.errors import Problem

ENDPOINT = "POST /v1/chat/completions"
SCOPES = {ENDPOINT: "chat"}
MAX_ANSWER = 4_194_304
MAX_ID = 128
MAX_MESSAGES = 4_096
SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A chat request: for which agent, in which dialog, and its body as sent."""

    agent_id: str
    dialog_id: str
    in_dialog: bool
    question_id: str
    replaces: str | None
    spoken: Sequence[Message]
    body: dict[str, Any]
    streamed: bool
    at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class Gateway:
    """Answers chat requests."""

    planner: Planner
    models: Models
    failures: Failures
    limits: Limits
    recorder: Recorder

    def endpoint(self) -> DirectEndpoint:
        """Return the endpoint as the service serves it."""
        return DirectEndpoint(ENDPOINT, self.answer, refusal)

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request; raises a Problem until the answer has begun."""
        tenant = exchange.caller.tenant
        asked = read(exchange)
        with self.limits.one_more(tenant):
            found = await self.planner.find(
                tenant,
                asked.agent_id,
                asked.dialog_id,
                in_turn=asked.in_dialog,
                rate=self.limits.of(tenant).per_minute,
            )
            copy = bytearray()
            answered: Answered | None = None
            try:
                plan = self.planner.plan(tenant, asked.dialog_id, found)
                answered = await answer_chat(self.models, self.failures, plan, tenant, asked.body)
                await self._pass_on(exchange, asked, plan, answered, copy)
            except ProviderRefusalError as refused:
                raise refusal_problem(refused) from None
            finally:
                # also when the caller hung up or the answer broke off: what was said was said
                self._record(tenant, asked, found, answered, bytes(copy))

    async def _pass_on(
        self, exchange: Exchange, asked: Asked, plan: Plan, answered: Answered, copy: bytearray
    ) -> None:
        answer = answered.answer
        try:
            copy += answer.first
            length = len(answer.first) if answer.ended else None
            await exchange.start(200, _headers(asked, plan, answered, length))
            await exchange.send(answer.first, more=not answer.ended)
            if answer.ended:
                return
            gone = False

            def hung_up() -> None:
                nonlocal gone
                gone = True
                answer.close()

            with exchange.watching(hung_up):
                try:
                    async for chunk in answer.rest():
                        if len(copy) < MAX_ANSWER:
                            copy += chunk
                        await exchange.send(chunk, more=True)
                except ProviderRefusalError as broken:
                    if gone:
                        return
                    agent_id = plan.ready.agent.agent_id
                    self.failures.failed(exchange.caller.tenant, agent_id, answered.by, broken)
                    raise
            answer.ended = True
            self.failures.answered(exchange.caller.tenant, plan.ready.agent.agent_id, answered.by)
            await exchange.send(b"", more=False)
        finally:
            answer.close()

    def _record(
        self, tenant: str, asked: Asked, found: Found, answered: Answered | None, answer: bytes
    ) -> None:
        agent = found.ready.agent
        counts = answered is not None and agent.definition["recorded_by"] == "gateway"
        if not counts and found.turn is None:
            return
        self.recorder.record(
            Turn(
                tenant=tenant,
                dialog_id=asked.dialog_id,
                agent_id=agent.agent_id,
                agent_version=agent.version,
                model=answered.by.model if answered else "",
                messages=asked.spoken,
                question_id=asked.question_id,
                replaces=asked.replaces,
                number=found.turn,
                asked_at=asked.at,
                answer=answer,
                streamed=asked.streamed,
                counts=counts,
                size=asked.size + len(answer),
            )
        )


def read(exchange: Exchange) -> Asked:
    """Return what is asked; raises a 400 Problem for what is no chat request."""
    body = _body(exchange.body)
    agent_id = exchange.header(b"x-agent-id") or str(body.get("model") or "").removeprefix("agent:")
    if not agent_id:
        raise agent_unnamed()
    if not _usable(agent_id):
        raise no_agent()
    dialog_id = _id(exchange, b"x-dialog-id", "X-Dialog-Id")
    in_dialog = bool(dialog_id)
    dialog_id = dialog_id or str(uuid7())
    replaces = _id(exchange, b"x-replaces", "X-Replaces") or None
    said = spoken(body["messages"])
    named = _id(exchange, b"x-message-id", "X-Message-Id")
    return Asked(
        agent_id=agent_id,
        dialog_id=dialog_id,
        in_dialog=in_dialog,
        question_id=named or message_id(dialog_id, said, replaces),
        replaces=replaces,
        spoken=said,
        body=body,
        streamed=body.get("stream") is True,
        at=datetime.now(UTC),
        size=len(exchange.body),
    )


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except ValueError:
        raise not_a_request("body", "The body is not JSON.", "Тело запроса не JSON.") from None
    if not isinstance(body, dict):
        raise not_a_request("body", "The body is not an object.", "Тело запроса не объект.")
    if not isinstance(body.get("model", ""), str | None):
        raise not_a_request("model", "model must be a text.", "model должно быть строкой.")
    if not isinstance(body.get("stream", False), bool | None):
        raise not_a_request("stream", "stream must be true or false.", "stream должно быть true или false.")
    messages = body.get("messages")
    if not isinstance(messages, list) or not 1 <= len(messages) <= MAX_MESSAGES:
        en, ru = f"messages must be 1 to {MAX_MESSAGES}.", f"В messages должно быть от 1 до {MAX_MESSAGES}."
        raise not_a_request("messages", en, ru)
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            at = f"messages[{place}]"
            raise not_a_request(at, f"{at} must have a role.", f"В {at} нет роли.")
    return body


def _id(exchange: Exchange, name: bytes, shown: str) -> str:
    value = exchange.header(name)
    if value and not _usable(value):
        raise bad_id(shown)
    return value


def _usable(value: str) -> bool:
    return len(value) <= MAX_ID and value.isprintable() and "\ufffd" not in value


def _headers(asked: Asked, plan: Plan, answered: Answered, length: int | None) -> list[Header]:
    headers = [
        (b"content-type", _safe(answered.answer.content_type)),
        (b"x-dialog-id", _safe(asked.dialog_id)),
        (b"x-message-id", _safe(asked.question_id)),
        (b"x-model", _safe(answered.by.model)),
        (b"x-route-version", str(plan.route_version).encode()),
    ]
    if answered.answer.request_id:
        headers.append((b"x-provider-request-id", _safe(answered.answer.request_id)))
    if answered.instead is not None:
        headers.append((b"x-fallback", answered.instead.kind.encode()))
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return headers


def _safe(value: str) -> bytes:
    """Return a header's value: whatever is not plain text is percent-encoded."""
    if value.isascii() and value.isprintable():
        return value.encode()
    return quote(value, safe=" !#$&'()*+,/:;=?@[]~").encode()


def refusal(problem: Problem, language: str) -> dict[str, Any]:
    """Return a refusal in OpenAI's error form, which its clients understand."""
    action = f" {problem.action.in_language(language)}" if problem.action else ""
    return {
        "error": {
            "message": problem.detail.in_language(language) + action,
            "type": "invalid_request_error" if problem.status < SERVER_ERROR else "server_error",
            "param": problem.field,
            "code": problem.code,
        }
    }


def add_gateway(routes: APIRouter) -> None:
    """Describe the gateway's endpoint in `routes`."""

    @routes.post("/v1/chat/completions", response_model=None, responses=described.RESPONSES)
    async def complete(_: described.ChatRequest) -> Response:
        """Answer a chat request in OpenAI's protocol.

        The agent is in `model: agent:{id}` or X-Agent-Id, the dialog in X-Dialog-Id (made up and
        returned when absent).
        """
        raise AssertionError("served by chassis.direct, in front of the framework")
