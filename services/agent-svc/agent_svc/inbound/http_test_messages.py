"""What comes in by HTTP as messages of a test chat; answers come whole, or as a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from agent_svc.domain import chat_moves as moves
from agent_svc.domain.chat_tree import Chat, Node
from agent_svc.domain.deltas import Deltas
from agent_svc.domain.words import Span
from agent_svc.inbound.http_agents import IfMatch, seen_version
from agent_svc.inbound.http_test_chats import shown
from agent_svc.inbound.test_chat_views import is_stale
from agent_svc.usecases.ask_models import Asker
from agent_svc.usecases.change_test_chat import Ask, Change, Desk, change_test_chat
from chassis.auth import Caller
from chassis.database import Database
from chassis.http import CallerDep
from chassis.idempotency import once
from contracts.chat import HintSpan
from contracts.event import NO_NUL

SCOPES = {
    "POST /v1/test-dialogs/{test_dialog_id}/messages": "curate",
    "PUT /v1/test-dialogs/{test_dialog_id}/messages/{message_id}": "curate",
    "POST /v1/test-dialogs/{test_dialog_id}/messages/{message_id}/ask": "curate",
}
STREAM = "text/event-stream"
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The dialog with its answers; or a stream of events, where that is accepted",
        "content": {STREAM: {}},
    }
}
IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key", max_length=255)]
Words = Annotated[str, Field(min_length=1, max_length=100_000, pattern=NO_NUL)]


class MessageIn(BaseModel):
    """Something said as the client, or what a function answers; without `column` in all that wait for it."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    role: Literal["user", "tool"]
    content: Annotated[str, Field(max_length=100_000, pattern=NO_NUL)]
    tool_call_id: Annotated[str, Field(min_length=1, max_length=512, pattern=NO_NUL)] | None = None
    column: Annotated[int, Field(ge=0, le=1)] | None = None

    @model_validator(mode="after")
    def _fits_its_role(self) -> MessageIn:
        if self.role == "user" and (self.tool_call_id is not None or not self.content):
            raise ValueError("a user message has words and answers no call")
        return self


class EditIn(BaseModel):
    """One's own message in other words; `hint` widens or narrows what is marked as the hint."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    content: Words
    hint: list[HintSpan] | None = Field(None, max_length=64)


class Speaking:
    """Does something to a test chat and asks for the answers that it calls for."""

    def __init__(self, database: Database, desk: Desk, asker: Asker) -> None:
        self._database = database
        self._desk = desk
        self._asker = asker

    async def __call__(
        self, caller: Caller, request: Request, dialog_id: UUID, change: Change, action: str,
        if_match: str | None, key: str,
    ) -> Response:  # fmt: skip
        """Change, ask, and answer with the dialog: when all is said, or as it is said."""
        asks = await self._change(caller, request, dialog_id, change, action, if_match, key)
        if STREAM in request.headers.get("accept", ""):
            events = self._stream(caller.tenant, dialog_id, request, asks)
            return StreamingResponse(events, media_type=STREAM, headers={"Cache-Control": "no-store"})
        if tasks := [self._asker.begin(ask) for ask in asks]:
            await asyncio.wait(tasks)
        told = Response()
        body = await shown(self._database, caller.tenant, dialog_id, request, told)
        headers = {"ETag": told.headers["ETag"]}
        return Response(orjson.dumps(body), media_type="application/json", headers=headers)

    async def _change(
        self, caller: Caller, request: Request, dialog_id: UUID, change: Change, action: str,
        if_match: str | None, key: str,
    ) -> list[Ask]:  # fmt: skip
        asks: list[Ask] = []
        async with self._database.tenant_transaction(caller.tenant) as transaction:

            async def act() -> tuple[int, dict[str, Any]]:
                asks.extend(
                    await change_test_chat(
                        transaction, self._desk, change, tenant=caller.tenant, subject=caller.subject,
                        dialog_id=dialog_id, seen=seen_version(if_match), action=action,
                    )
                )  # fmt: skip
                return 200, {}

            endpoint = f"{request.method} {request.url.path}"
            await once(
                transaction.connection, tenant=caller.tenant, key=key, endpoint=endpoint,
                request=await request.body(), act=act,
            )  # fmt: skip
        return asks

    async def _stream(
        self, tenant: str, dialog_id: UUID, request: Request, asks: Sequence[Ask]
    ) -> AsyncIterator[bytes]:
        """Yield `dialog` as it is, `delta` for what an answer gains, and `dialog` again when all is said."""
        events: asyncio.Queue[bytes | None] = asyncio.Queue()
        tasks = [self._asker.begin(ask, partial(_heard, events, ask, Deltas())) for ask in asks]
        ended = asyncio.gather(*tasks)
        ended.add_done_callback(lambda _: events.put_nowait(None))
        yield _event("dialog", await shown(self._database, tenant, dialog_id, request, Response()))
        while (event := await events.get()) is not None:
            yield event
        yield _event("dialog", await shown(self._database, tenant, dialog_id, request, Response()))


def _heard(events: asyncio.Queue[bytes | None], ask: Ask, deltas: Deltas, chunk: bytes) -> None:
    for delta in deltas.feed(chunk):
        events.put_nowait(_event("delta", {"message_id": ask.message_id, **delta}))


def _event(name: str, data: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


def add_endpoints(routes: APIRouter, database: Database, desk: Desk, asker: Asker) -> None:
    """Add the endpoints of messages."""
    speak = Speaking(database, desk, asker)

    @routes.post("/v1/test-dialogs/{test_dialog_id}/messages", response_model=None, responses=ANSWERS)
    async def say(
        caller: CallerDep,
        request: Request,
        test_dialog_id: UUID,
        said: MessageIn,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = "",
    ) -> Response:
        """Say something as the client, or answer a call in the function's place; nothing is executed.

        The model answers once no call waits any more. With `Accept: text/event-stream` its answer comes as
        it is given.
        """

        def change(chat: Chat) -> list[Node]:
            if said.role == "user":
                return moves.say(chat, said.content, said.column)
            return moves.answer_call(chat, said.tool_call_id, said.content, said.column)

        action = f"test_dialog.{said.role}_message"
        return await speak(caller, request, test_dialog_id, change, action, if_match, idempotency_key)

    @routes.put(
        "/v1/test-dialogs/{test_dialog_id}/messages/{message_id}", response_model=None, responses=ANSWERS
    )
    async def edit(
        caller: CallerDep,
        request: Request,
        test_dialog_id: UUID,
        message_id: UUID,
        edited: EditIn,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = "",
    ) -> Response:
        """Say one's own message in other words: what follows is asked again, the old branch stays.

        Without `hint` the words that the message did not have when first sent are the hint.
        """
        spans = [Span(one.start, one.end) for one in edited.hint] if edited.hint is not None else None

        def change(chat: Chat) -> list[Node]:
            return moves.edit(chat, str(message_id), edited.content, spans)

        action = "test_dialog.message_edited"
        return await speak(caller, request, test_dialog_id, change, action, if_match, idempotency_key)

    @routes.post(
        "/v1/test-dialogs/{test_dialog_id}/messages/{message_id}/ask", response_model=None, responses=ANSWERS
    )
    async def ask(
        caller: CallerDep,
        request: Request,
        test_dialog_id: UUID,
        message_id: UUID,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = "",
    ) -> Response:
        """Ask again for an answer: for a failed one in its place, for another one beside it."""

        def change(chat: Chat) -> list[Node]:
            node = chat.known(str(message_id))
            return moves.ask_again(chat, node.id, stale=is_stale(node, chat.seen_at))

        action = "test_dialog.asked_again"
        return await speak(caller, request, test_dialog_id, change, action, if_match, idempotency_key)
