"""What one says in a test chat; the models' answers are seen coming."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any
from uuid import UUID

import httpx
from fastapi import APIRouter, Form, Request
from pydantic import BaseModel, Field, TypeAdapter, field_validator
from starlette.responses import Response, StreamingResponse

from console_svc.domain.server_events import Events, written
from console_svc.inbound.asking import Asking
from console_svc.inbound.chat_parts import read_chat, refused, talk
from console_svc.outbound.backends import Refusal

Words = Annotated[str, Field(max_length=100_000)]
SPANS = TypeAdapter(list[tuple[int, int]])
Revision = Annotated[int, Field(ge=0, le=2**62)]

EVENTS = "text/event-stream"


class Seen(BaseModel):
    """On which state of the chat somebody acts."""

    revision: Revision

    @property
    def headers(self) -> dict[str, str]:
        """Return the condition under which the change is made."""
        return {"If-Match": f'"{self.revision}"'}


class SaidIn(Seen):
    """Words of the client's, or what a function answers; no column means both."""

    content: Words = ""
    tool_call_id: Annotated[str, Field(max_length=512)] = ""
    column: Annotated[str, Field(pattern="^[01]?$")] = ""

    def body(self) -> dict[str, Any]:
        """Return it as agent-svc takes it."""
        said: dict[str, Any] = {
            "role": "tool" if self.tool_call_id else "user",
            "content": _lines(self.content),
        }
        if self.tool_call_id:
            said["tool_call_id"] = self.tool_call_id
        return said | ({"column": int(self.column)} if self.column else {})


class EditedIn(Seen):
    """One's own message in other words; `hint` is a list of [start, end], or empty: what was added."""

    content: Words
    hint: Annotated[str, Field(max_length=4_000)] = ""

    @field_validator("hint")
    @classmethod
    def _is_spans(cls, given: str) -> str:
        return given and SPANS.dump_json(SPANS.validate_json(given)).decode()

    def body(self) -> dict[str, Any]:
        """Return it as agent-svc takes it."""
        words = {"content": _lines(self.content)}
        if not self.hint:
            return words
        return words | {"hint": [{"start": start, "end": end} for start, end in json.loads(self.hint)]}


class ChosenIn(Seen):
    """A message to go on from, or to be asked for again."""

    message_id: UUID


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add what is done in a test chat."""

    @routes.get("/chats/{agent_id}/{chat_id}/talk")
    async def now(request: Request, agent_id: str, chat_id: UUID) -> Response:
        """Show the messages as they are now."""
        return talk(request, await read_chat(request, ask, agent_id, chat_id))

    @routes.post("/chats/{agent_id}/{chat_id}/messages")
    async def say(
        request: Request, agent_id: str, chat_id: UUID, said: Annotated[SaidIn, Form()]
    ) -> Response:
        """Say something as the client, or answer in a function's place."""
        path = f"/v1/test-dialogs/{chat_id}/messages"
        form = {"content": said.content, "column": said.column} if not said.tool_call_id else {}
        return await _speak(request, ask, (agent_id, chat_id), "POST", path, said, said.body(), **form)

    @routes.get("/chats/{agent_id}/{chat_id}/messages/{message_id}")
    async def edit(request: Request, agent_id: str, chat_id: UUID, message_id: UUID) -> Response:
        """Show one's own message to be said in other words."""
        chat = await read_chat(request, ask, agent_id, chat_id)
        own = next((one for one in chat["messages"] if one["message_id"] == str(message_id)), None)
        if own is None or own["role"] == "assistant":
            raise Refusal(404, "not_found", "")
        return talk(request, chat, edit=own, content=own["content"])

    @routes.post("/chats/{agent_id}/{chat_id}/messages/{message_id}")
    async def edited(
        request: Request, agent_id: str, chat_id: UUID, message_id: UUID, words: Annotated[EditedIn, Form()]
    ) -> Response:
        """Say it in other words: what follows is asked again."""
        path = f"/v1/test-dialogs/{chat_id}/messages/{message_id}"
        form = {"content": words.content, "edit": str(message_id)}
        return await _speak(request, ask, (agent_id, chat_id), "PUT", path, words, words.body(), **form)

    @routes.post("/chats/{agent_id}/{chat_id}/ask")
    async def again(
        request: Request, agent_id: str, chat_id: UUID, chosen: Annotated[ChosenIn, Form()]
    ) -> Response:
        """Ask for an answer again."""
        path = f"/v1/test-dialogs/{chat_id}/messages/{chosen.message_id}/ask"
        return await _speak(request, ask, (agent_id, chat_id), "POST", path, chosen, None)

    @routes.post("/chats/{agent_id}/{chat_id}/active")
    async def step(
        request: Request, agent_id: str, chat_id: UUID, chosen: Annotated[ChosenIn, Form()]
    ) -> Response:
        """Go on with the branch through a message."""
        await read_chat(request, ask, agent_id, chat_id)
        path, body = f"/v1/test-dialogs/{chat_id}/active", {"message_id": str(chosen.message_id)}
        try:
            chat = await ask(request, "agents", "PUT", path, json=body, headers=chosen.headers)
        except Refusal as refusal:
            return await refused(request, ask, (agent_id, chat_id), refusal)
        return talk(request, chat)


async def _speak(
    request: Request, ask: Asking, place: tuple[str, UUID], method: str, path: str, on: Seen, body: Any,
    **form: Any,
) -> Response:  # fmt: skip
    """Do it, and show what comes of it as it comes; or why not, with what was typed."""
    await read_chat(request, ask, *place)
    try:
        headers = on.headers | {"Accept": EVENTS}
        answer = await ask.stream(request, "agents", method, path, json=body, headers=headers)
    except Refusal as refusal:
        return await refused(request, ask, place, refusal, **form)
    return StreamingResponse(
        _told(request, answer, form.get("column", "")), media_type=EVENTS, headers={"X-Accel-Buffering": "no"}
    )


async def _told(request: Request, answer: httpx.Response, column: str) -> AsyncIterator[bytes]:
    """Pass on what agent-svc tells: the chat as a part of the page, an answer's pieces as they are.

    Who was asked, by column, is asked next unless somebody chooses otherwise. Where its stream breaks
    ours ends, and the page reads the chat again.
    """
    events, streaming = Events(), True
    try:
        async with aclosing(answer):
            async for chunk in answer.aiter_bytes():
                for name, data in events.feed(chunk):
                    if name == "delta":
                        yield written(data, "answer-delta")
                        continue
                    shown = talk(request, json.loads(data), streaming=streaming, column=column)
                    yield written(bytes(shown.body).decode())
                    streaming = False
    except httpx.HTTPError:
        return


def _lines(text: str) -> str:
    """Return a text with the ends of lines as they were shown: forms send two characters."""
    return text.replace("\r\n", "\n")
