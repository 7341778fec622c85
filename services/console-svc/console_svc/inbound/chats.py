"""Test chat: the list, a new one, one with its columns."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from console_svc.domain.chat_view import title_of
from console_svc.inbound.asking import Asking, part, segment
from console_svc.inbound.chat_parts import read_chat, shown
from console_svc.inbound.choosing import add_choice, remember
from console_svc.inbound.page import page, told
from console_svc.outbound.backends import Refusal

PAGE = 50
Words = Annotated[str, Form(max_length=100_000)]
Asked = Annotated[str, Form(max_length=300, pattern="^(route|base|model:.+)$")]
Preset = Annotated[str, Query(max_length=300)]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the pages of test chats."""
    add_choice(routes, ask, "chats")

    @routes.get("/chats/{agent_id}")
    async def chats(request: Request, agent_id: str, left: Preset = "route", right: Preset = "") -> Response:
        """Show the list, and what begins a new one."""
        found = await _around(request, ask, agent_id)
        models = await _models(request, ask, agent_id)
        new = {"left": left, "right": right, "content": "", "refused": None}
        return remember(page(request, "chats.html", chat=None, models=models, new=new, **found), agent_id)

    @routes.get("/chats/{agent_id}/more")
    async def more(request: Request, agent_id: str, cursor: UUID) -> Response:
        """Show the next page of the list."""
        listed = await part(request, _listed(request, ask, agent_id, str(cursor)))
        return page(request, "chats_rows.html", agent={"agent_id": agent_id}, listed=listed, chat=None)

    @routes.post("/chats/{agent_id}")
    async def begin(
        request: Request,
        agent_id: str,
        content: Words,
        left: Asked = "route",
        right: Annotated[str, Form()] = "",
    ) -> Response:
        """Begin a test chat; its page then says the first words, so that the answer can be seen coming."""
        columns = [column_of(one) for one in (left, right) if one]
        path = f"/v1/agents/{segment(agent_id)}/test-dialogs"
        try:
            made = await ask(
                request, "agents", "POST", path, json={"title": title_of(content), "columns": columns}
            )
        except Refusal as refusal:
            agent = await ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")
            models = await _models(request, ask, agent_id)
            new = {"left": left, "right": right, "content": content, "refused": told(request, refusal)}
            return page(request, "chat_new.html", refusal.status, agent=agent, models=models, new=new)
        return _go(f"/chats/{segment(agent_id)}/{UUID(made['dialog_id'])}")

    @routes.get("/chats/{agent_id}/{chat_id}")
    async def chat(request: Request, agent_id: str, chat_id: UUID) -> Response:
        """Show one test chat beside the list."""
        one = await read_chat(request, ask, agent_id, chat_id)
        found = await _around(request, ask, agent_id)
        return remember(page(request, "chats.html", **found, **shown(request, one)), agent_id)

    @routes.post("/chats/{agent_id}/{chat_id}/delete")
    async def delete(request: Request, agent_id: str, chat_id: UUID) -> Response:
        """Delete a test chat; what of it is in the dataset stays."""
        await read_chat(request, ask, agent_id, chat_id)
        await ask(request, "agents", "DELETE", f"/v1/test-dialogs/{chat_id}")
        return _go(f"/chats/{segment(agent_id)}")


def column_of(asked: str) -> dict[str, str]:
    """Return whom a column asks, of what a form says."""
    use, _, model = asked.partition(":")
    return {"use": use} | ({"model": model} if model else {})


def _go(address: str) -> Response:
    return Response(status_code=204, headers={"HX-Redirect": address})


async def _around(request: Request, ask: Asking, agent_id: str) -> dict[str, Any]:
    """Return the agent and the list; raises Refusal when the agent is not there."""
    agent, listed = await asyncio.gather(
        ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}"),
        part(request, _listed(request, ask, agent_id, "")),
    )
    return {"agent": agent, "listed": listed}


async def _listed(request: Request, ask: Asking, agent_id: str, cursor: str) -> Any:
    query = {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
    path = f"/v1/agents/{segment(agent_id)}/test-dialogs"
    return await ask(request, "agents", "GET", path, params=query)


async def _models(request: Request, ask: Asking, agent_id: str) -> list[dict[str, Any]]:
    """Return the agent's trained models; none when training-svc does not tell."""
    query = {"agent_id": agent_id, "limit": 100}
    found = await part(request, ask(request, "training", "GET", "/v1/models", params=query))
    return [] if found.refused else [one for one in found.value["items"] if one["model"]]
