"""Two models side by side: what they came from, what they cost, how they do."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from console_svc.inbound.asking import Asking, part, segment
from console_svc.inbound.model_parts import models_of, named
from console_svc.inbound.page import page, say
from console_svc.outbound.backends import Refusal

Json = dict[str, Any]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the comparison."""

    @routes.get("/models/{agent_id}/compare")
    async def compare(request: Request, agent_id: str, a: UUID, b: UUID) -> Response:
        """Show two models of an agent side by side."""
        both = {"a": str(a), "b": str(b)}
        agent = await named(request, ask, agent_id)
        found, models, ratings, route = await asyncio.gather(
            part(request, _compared(request, ask, agent_id, both)),
            part(request, models_of(request, ask, agent_id)),
            part(request, _ratings(request, ask, agent_id)),
            part(request, ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}/route")),
        )
        return page(
            request, "compare.html", agent=agent, agent_id=agent_id, found=found, ratings=ratings,
            models=models.value or [], chosen=both, now=route.value,
        )  # fmt: skip

    @routes.get("/models/{agent_id}/compare/dialogs")
    async def dialogs(request: Request, agent_id: str, a: UUID, b: UUID) -> Response:
        """Show how the datasets of the two differ."""
        compared = await _compared(request, ask, agent_id, {"a": str(a), "b": str(b)})
        link = compared["links"]["dataset_diff"]
        if link is None:
            raise Refusal(404, "not_found", say(request, "Both were taught the same version."))
        found = await part(request, ask(request, "datasets", "GET", link["path"]))
        return page(request, "compare_dialogs.html", agent_id=agent_id, found=found)


async def _compared(request: Request, ask: Asking, agent_id: str, both: dict[str, str]) -> Json:
    """Return the comparison; raises Refusal, also when one is another agent's."""
    found: Json = await ask(request, "training", "GET", "/v1/models/compare", params=both)
    if {found["a"]["agent_id"], found["b"]["agent_id"]} != {agent_id}:
        raise Refusal(404, "not_found", say(request, "There is no such page."))
    return found


async def _ratings(request: Request, ask: Asking, agent_id: str) -> dict[str, Json]:
    """Return good and bad marks by model."""
    query = {"group_by": "model", "agent_id": agent_id}
    found = await ask(request, "dialogs", "GET", "/v1/dialogs/ratings", params=query)
    return {one["model"]: one for one in found["items"] if one["model"]}
