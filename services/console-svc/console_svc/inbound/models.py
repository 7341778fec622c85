"""Trained models: runs and models in one list, what serves, and putting a model into service."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from console_svc.inbound import made_elsewhere
from console_svc.inbound.asking import Asking, part, segment
from console_svc.inbound.choosing import add_choice, remember
from console_svc.inbound.model_parts import Wish, list_page, named, serving_now
from console_svc.inbound.page import page, say, told
from console_svc.outbound.backends import Refusal

Version = Annotated[int, Form(ge=0, le=2**62)]
When = Annotated[str, Query(max_length=64)]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the pages of models."""
    add_choice(routes, ask, "models")

    @routes.get("/models/{agent_id}")
    async def models(request: Request, agent_id: str, wish: Annotated[Wish, Query()]) -> Response:
        """Show what serves, and the list."""
        agent = await named(request, ask, agent_id)
        serving, listed = await asyncio.gather(
            serving_now(request, ask, agent_id, wish), list_page(request, ask, agent_id)
        )
        return remember(page(request, "models.html", agent=agent, **serving, **listed), agent_id)

    @routes.get("/models/{agent_id}/list")
    async def runs(
        request: Request, agent_id: str, cursor: UUID | None = None, before: When = ""
    ) -> Response:
        """Show the list again, or a further page of it."""
        found = await list_page(request, ask, agent_id, str(cursor or ""), before)
        return page(request, "models_list.html", agent_id=agent_id, **found)

    @routes.get("/models/{agent_id}/serving")
    async def serving(request: Request, agent_id: str, wish: Annotated[Wish, Query()]) -> Response:
        """Show what serves now, and how far a switch is."""
        now = await serving_now(request, ask, agent_id, wish)
        return page(request, "models_serving.html", agent_id=agent_id, **now)

    _add_switching(routes, ask)
    made_elsewhere.add_pages(routes, ask)


def _add_switching(routes: APIRouter, ask: Asking) -> None:
    @routes.post("/models/{agent_id}/activate")
    async def activate(
        request: Request,
        agent_id: str,
        model_id: Annotated[UUID, Form()],
        route_version: Version,
        key: Annotated[UUID, Form()],
        model: Annotated[str, Form(max_length=256)] = "",
        share: Annotated[int, Form(ge=1, le=100)] = 100,
        fallback_model_id: Annotated[str, Form(max_length=64)] = "",
    ) -> Response:
        """Put a model into service; what serves is told by the route, not by this answer."""
        body: dict[str, Any] = {"share": share / 100, "expected_route_version": route_version}
        if fallback_model_id:
            body["fallback_model_id"] = fallback_model_id
        path = f"/v1/models/{model_id}/activate"
        return await _switch(
            request, ask, agent_id, path, body, key, Wish(model_id=str(model_id), model=model)
        )

    @routes.post("/models/{agent_id}/base")
    async def base(
        request: Request, agent_id: str, route_version: Version, key: Annotated[UUID, Form()]
    ) -> Response:
        """Put the base model back into service."""
        path = f"/v1/agents/{segment(agent_id)}/activate-base"
        body = {"expected_route_version": route_version}
        return await _switch(request, ask, agent_id, path, body, key, Wish())

    @routes.post("/models/{agent_id}/back")
    async def back(
        request: Request, agent_id: str, route_version: Version, key: Annotated[UUID, Form()]
    ) -> Response:
        """Serve what served before."""
        headers = {"If-Match": f'"{route_version}"', "Idempotency-Key": str(key)}
        path = f"/v1/agents/{segment(agent_id)}/rollback"
        done = await part(request, ask(request, "agents", "POST", path, headers=headers))
        now = await serving_now(request, ask, agent_id, Wish(), refused=done.refused)
        return page(request, "models_serving.html", agent_id=agent_id, **now)


async def _switch(
    request: Request, ask: Asking, agent_id: str, path: str, body: Any, key: UUID, wish: Wish
) -> Response:
    """Ask for an activation and show it as switching; or what serves now, and the choice, if that changed."""
    headers = {"Idempotency-Key": str(key)}
    refused = None
    try:
        asked = await ask(request, "training", "POST", path, json=body, headers=headers)
        wish = wish.model_copy(update={"switching": UUID(asked["activation_id"])})
    except Refusal as refusal:
        refused = told(request, refusal)
        if refusal.code == "route_changed":
            refused["action"] = say(
                request, "Look at what serves now, then press ▶ again if you still want it."
            )
    now = await serving_now(request, ask, agent_id, wish, refused)
    return page(request, "models_serving.html", agent_id=agent_id, **now)
