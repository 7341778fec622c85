"""What the pages of models are made of: what serves, the list, names; each may be missing by itself."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from fastapi import Request
from pydantic import BaseModel, Field

from console_svc.domain.models_view import Switch, rows, switch_of
from console_svc.inbound.asking import Asking, part, segment
from console_svc.outbound.backends import Refusal

PAGE = 20
MODELS = 200
HISTORY = 20


class Wish(BaseModel):
    """An activation that was asked for, as an address holds it; `model_id` is empty for the base model."""

    switching: UUID | None = None
    model_id: Annotated[str, Field(max_length=64)] = ""
    model: Annotated[str, Field(max_length=256)] = ""


async def serving_now(
    request: Request, ask: Asking, agent_id: str, wish: Wish, refused: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return what serves, how far a switch is, and how far the agent has moved from what was taught."""
    path = f"/v1/agents/{segment(agent_id)}"
    history_path = f"{path}/route/history"
    route, drift, history = await asyncio.gather(
        part(request, ask(request, "agents", "GET", f"{path}/route")),
        part(request, ask(request, "agents", "GET", f"{path}/drift")),
        part(request, ask(request, "agents", "GET", history_path, params={"limit": HISTORY})),
    )
    switch = _switch_state(wish, history.value)
    query = urlencode(wish.model_dump(exclude_none=True))
    address = f"/models/{segment(agent_id)}/serving" + (
        f"?{query}" if switch and switch.state != "done" else ""
    )
    return {
        "route": route, "drift": drift, "switch": switch, "wish": wish, "refused": refused,
        "serving_address": address, "new_key": str(uuid4()),
    }  # fmt: skip


def _switch_state(wish: Wish, history: Any) -> Switch | None:
    if wish.switching is None:
        return None
    return switch_of(str(wish.switching), history["items"] if history else ())


async def list_page(
    request: Request, ask: Asking, agent_id: str, cursor: str = "", before: str = ""
) -> dict[str, Any]:
    """Return a page of the list; each of what it is made of may be missing by itself."""
    query = {"agent_id": agent_id, "limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
    runs, models, route = await asyncio.gather(
        part(request, ask(request, "training", "GET", "/v1/runs", params=query)),
        part(request, models_of(request, ask, agent_id)),
        part(request, ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}/route")),
    )
    found, following, last = [], None, ""
    if not runs.refused and not models.refused:
        following = runs.value["next_cursor"]
        last = runs.value["items"][-1]["created_at"] if following else ""
        found = rows(runs.value["items"], models.value, route.value, before)
        found = [one for one in found if one.made_at >= last]
    no_list = runs.refused or models.refused
    return {
        "rows": found, "following": following, "last": last, "older": bool(cursor), "no_list": no_list,
        "now": route.value, "models": models.value or [],
    }  # fmt: skip


async def named(request: Request, ask: Asking, agent_id: str) -> dict[str, Any]:
    """Return the agent, by its id alone while agent-svc is silent; raises Refusal when it is not there."""
    try:
        found: dict[str, Any] = await ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")
    except Refusal as refusal:
        if refusal.code != "service_silent":
            raise
        return {"agent_id": agent_id, "name": agent_id}
    return found


async def models_of(request: Request, ask: Asking, agent_id: str) -> list[dict[str, Any]]:
    """Return the agent's newest models; raises Refusal."""
    query = {"agent_id": agent_id, "limit": str(MODELS)}
    found = await ask(request, "training", "GET", "/v1/models", params=query)
    items: list[dict[str, Any]] = found["items"]
    return items
