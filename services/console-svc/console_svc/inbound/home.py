"""The first page: where an agent is on the owner's way, and the next step."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from console_svc.domain.way import FEWEST, Known, way
from console_svc.inbound.asking import Asking, Part, part, segment
from console_svc.inbound.choosing import chosen_last
from console_svc.inbound.page import page

RANK = ("yes", "unverified", "no")
"""What an agent's keys can do, best first."""


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the first page."""

    @routes.get("/")
    async def home(request: Request) -> Response:
        """Show each step of the way, done or not, for the agent chosen last, else the first."""
        listed = await part(request, ask(request, "agents", "GET", "/v1/agents", params={"limit": 200}))
        agents = listed.value["items"] if listed.value else []
        chosen = chosen_last(request)
        known = [one for one in agents if one["agent_id"] == chosen] or agents[:1]
        if not known:
            return page(request, "home.html", agent=None, listed=listed, steps={}, known=Known())
        agent_id = known[0]["agent_id"]
        found, refused = await _known(request, ask, agent_id)
        return page(
            request, "home.html", agent=known[0], listed=Part(value=listed.value, refused=refused),
            steps=way(found), known=found,
        )  # fmt: skip


async def _known(request: Request, ask: Asking, agent_id: str) -> tuple[Known, dict[str, str] | None]:
    """Return what the services know of an agent, and the refusal of one that gave no answer."""
    path, query = f"/v1/agents/{segment(agent_id)}", {"agent_id": agent_id}
    agent, route, datasets, runs, models = await asyncio.gather(
        part(request, ask(request, "agents", "GET", path)),
        part(request, ask(request, "agents", "GET", f"{path}/route")),
        part(request, ask(request, "datasets", "GET", "/v1/datasets", params=query | {"limit": 1})),
        part(request, ask(request, "training", "GET", "/v1/runs", params=query | {"limit": 20})),
        part(request, ask(request, "training", "GET", "/v1/base-models", params=query)),
    )
    summary = await _summary(request, ask, datasets)
    refused = next((one.refused for one in (agent, route, datasets, runs, summary) if one.refused), None)
    statuses = [one["status"] for one in runs.value["items"]] if runs.value else []
    keys = {key["training"] for key in agent.value["keys"]} if agent.value else set()
    return Known(
        key=next((one for one in RANK if one in keys), ""),
        saved=summary.value["saved"] if summary.value else 0,
        needed=_needed(agent, models),
        run=statuses[0] if statuses else "",
        ready="ready" in statuses,
        serves=bool(route.value and any(one.get("run_id") for one in _targets(route.value))),
    ), refused


async def _summary(request: Request, ask: Asking, datasets: Part) -> Part:
    if not datasets.value or not datasets.value["items"]:
        return Part()
    path = f"/v1/datasets/{segment(datasets.value['items'][0]['id'])}/summary"
    return await part(request, ask(request, "datasets", "GET", path))


def _needed(agent: Part, models: Part) -> int:
    """Return how many examples the agent's provider trains on at least."""
    if not agent.value or not models.value:
        return FEWEST
    names = ("provider", "base_model")
    mine = [agent.value[name] for name in names]
    limits = [one["limits"] for one in models.value["items"] if [one[name] for name in names] == mine]
    return int(limits[0]["min_examples"] or FEWEST) if limits else FEWEST


def _targets(route: dict[str, Any]) -> list[dict[str, Any]]:
    return list(route["effective"]["targets"]) if route["effective"] else []
