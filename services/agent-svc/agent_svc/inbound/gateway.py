"""The chat gateway: OpenAI's chat completions, answered by the model that serves the agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from uuid_utils.compat import uuid7

from agent_svc.outbound.chat import Models, Streaming
from agent_svc.usecases.answer_chat import Plan, collect, plan_answer, record_answer
from chassis import description
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.errors import Problem, Text, describe
from chassis.http import CallerDep, language
from chassis.observability import log
from chassis.vault import Vault

SCOPES = {"POST /v1/chat/completions": "chat"}
MAX_ANSWER = 4_194_304
_ERROR = {"schema": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object"}}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The answer, whole or as a stream", "content": {"text/event-stream": {}}},
    **{
        status: {**described, "content": {**described["content"], "application/json": _ERROR}}
        for status, described in description.RESPONSES.items()
    },
}
"""Refusals by the chassis are problem documents, all others errors in OpenAI's form."""


class ChatRequest(BaseModel):
    """A chat completion request; fields not named here pass through to the provider."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    model: str = Field("", max_length=256)
    messages: list[dict[str, Any]] = Field(min_length=1, max_length=4096)
    stream: bool = False


class Recorder:
    """Records dialogs after their last byte, also when the caller hung up before it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._running: set[asyncio.Task[None]] = set()

    def record(self, plan: Plan, *, tenant: str, dialog_id: str, answer: bytes, streamed: bool) -> None:
        """Begin to record; `drain` waits for what has begun."""
        task = asyncio.create_task(self._record(plan, tenant, dialog_id, answer, streamed=streamed))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _record(
        self, plan: Plan, tenant: str, dialog_id: str, answer: bytes, *, streamed: bool
    ) -> None:
        for pause in (0.1, 1.0, 5.0, 0.0):
            try:
                await record_answer(
                    self._database, plan, tenant=tenant, dialog_id=dialog_id, answer=answer, streamed=streamed
                )
                return
            except Exception as error:
                log().error("recording_failed", error=describe(error), last=pause == 0.0)
                await asyncio.sleep(pause)

    async def drain(self) -> None:
        """Wait for recordings that have begun."""
        await asyncio.gather(*self._running, return_exceptions=True)


def add_gateway(
    routes: APIRouter,
    database: Database,
    vault: Vault,
    catalogue: Catalogue,
    models: Models,
    recorder: Recorder,
) -> None:
    """Add the gateway's endpoint to `routes`."""

    @routes.post("/v1/chat/completions", response_model=None, responses=RESPONSES)
    async def complete(caller: CallerDep, request: Request, chat: ChatRequest) -> Response:
        """Answer a chat request in OpenAI's protocol.

        The agent is in `model: agent:{id}` or X-Agent-Id, the dialog in X-Dialog-Id (made up and
        returned when absent).
        """
        agent_id = request.headers.get("x-agent-id") or chat.model.removeprefix("agent:")
        dialog_id = request.headers.get("x-dialog-id") or str(uuid7())
        if len(dialog_id) > 128 or not agent_id:  # noqa: PLR2004
            return _refused(request, _unnamed())
        try:
            plan = await plan_answer(
                database,
                vault,
                catalogue,
                tenant=caller.tenant,
                agent_id=agent_id,
                dialog_id=dialog_id,
                body=chat.model_dump(exclude_unset=True),
            )
            async with AsyncExitStack() as held:
                answer = await held.enter_async_context(
                    models.answer(plan.base_url, plan.secret, plan.body, allow_private=plan.allow_private)
                )
                kept = held.pop_all()
        except Problem as problem:
            return _refused(request, problem)
        body = _body(plan, answer, kept, caller.tenant, dialog_id, recorder, streamed=chat.stream)
        headers = {
            "X-Dialog-Id": dialog_id,
            "X-Model": plan.answering.model,
            "X-Provider-Request-Id": answer.request_id,
        }
        return StreamingResponse(body, media_type=answer.content_type, headers=headers)


async def _body(
    plan: Plan,
    answer: Streaming,
    held: AsyncExitStack,
    tenant: str,
    dialog_id: str,
    recorder: Recorder,
    *,
    streamed: bool,
) -> AsyncIterator[bytes]:
    copy = bytearray()
    try:
        async with held:
            async for chunk in collect(answer.chunks, copy, MAX_ANSWER):
                yield chunk
    finally:
        # also when the caller hung up: what was said was said
        recorder.record(plan, tenant=tenant, dialog_id=dialog_id, answer=bytes(copy), streamed=streamed)


def _unnamed() -> Problem:
    return Problem(
        400,
        "agent_not_named",
        Text("The request names no agent.", "В запросе не назван агент."),
        action=Text("Send model agent:{id} or X-Agent-Id.", "Укажите model agent:{id} или X-Agent-Id."),
        field="model",
    )


def _refused(request: Request, problem: Problem) -> JSONResponse:
    """Return a refusal in OpenAI's error form, which its clients understand."""
    spoken = language(request)
    action = f" {problem.action.in_language(spoken)}" if problem.action else ""
    error = {
        "message": problem.detail.in_language(spoken) + action,
        "type": "invalid_request_error" if problem.status < 500 else "server_error",  # noqa: PLR2004
        "param": problem.field,
        "code": problem.code,
    }
    return JSONResponse({"error": error}, problem.status, problem.headers)
