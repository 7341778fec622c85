"""Agents: the list; one agent with its prompt and functions, versions, keys, and the model that serves it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from console_svc.inbound.asking import Asking, Part, part, segment
from console_svc.inbound.page import page, say, told
from console_svc.outbound.backends import Refusal

Version = Annotated[int, Query(ge=1, le=2**62)]
VERSIONS = 20


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the pages of agents."""

    @routes.get("/agents")
    async def agents(request: Request, cursor: Annotated[str, Query(max_length=128)] = "") -> Response:
        """List agents by name, or a further page of them."""
        query = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        found = await part(request, ask(request, "agents", "GET", "/v1/agents", params=query))
        more = request.headers.get("hx-request") and cursor
        return page(request, "agents_rows.html" if more else "agents.html", found=found)

    @routes.get("/agents/{agent_id}")
    async def agent(request: Request, agent_id: str) -> Response:
        """Show one agent."""
        one = await ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")
        versions = await _versions(request, ask, agent_id)
        return page(request, "agent.html", agent=one, agent_id=agent_id, versions=versions, **_keys(one))

    @routes.get("/agents/{agent_id}/versions")
    async def versions(request: Request, agent_id: str, cursor: Version) -> Response:
        """Show the versions before one."""
        found = await _versions(request, ask, agent_id, cursor)
        return page(request, "agent_versions.html", agent_id=agent_id, versions=found)

    @routes.get("/agents/{agent_id}/serving")
    async def serving(request: Request, agent_id: str) -> Response:
        """Show which model serves, and how far the agent has moved from what it was taught."""
        path = f"/v1/agents/{segment(agent_id)}"
        route = await part(request, ask(request, "agents", "GET", f"{path}/route"))
        drift = await part(request, ask(request, "agents", "GET", f"{path}/drift"))
        return page(request, "agent_serving.html", agent_id=agent_id, route=route, drift=drift)

    @routes.get("/agents/{agent_id}/diff")
    async def diff(request: Request, agent_id: str, before: Version, after: Version) -> Response:
        """Show how one version became another."""
        path = f"/v1/agents/{segment(agent_id)}/versions/{before}/diff/{after}"
        found = await part(request, ask(request, "agents", "GET", path))
        return page(request, "agent_diff.html", found=found)

    _add_keys(routes, ask)


async def _versions(request: Request, ask: Asking, agent_id: str, cursor: int | None = None) -> Part:
    query = {"limit": VERSIONS} | ({"cursor": cursor} if cursor else {})
    path = f"/v1/agents/{segment(agent_id)}/versions"
    return await part(request, ask(request, "agents", "GET", path, params=query))


def _add_keys(routes: APIRouter, ask: Asking) -> None:
    @routes.post("/agents/{agent_id}/keys")
    async def put_key(
        request: Request,
        agent_id: str,
        provider: Annotated[str, Form(max_length=256)],
        key: Annotated[str, Form(max_length=512)],
        accept: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        """Hand a key on; it is neither kept nor shown here."""
        body: dict[str, Any] = {"key": key.strip()}
        if accept is not None:
            body["accept_loss"] = [model for model in accept if model]
        path = f"/v1/agents/{segment(agent_id)}/keys/{segment(provider)}"
        return await _changed(request, ask, agent_id, "PUT", path, json=body)

    @routes.post("/agents/{agent_id}/keys/check")
    async def check_key(
        request: Request, agent_id: str, provider: Annotated[str, Form(max_length=256)]
    ) -> Response:
        """Ask the provider now what it thinks of the key."""
        path = f"/v1/agents/{segment(agent_id)}/keys/{segment(provider)}/check"
        return await _changed(request, ask, agent_id, "POST", path)


async def _changed(
    request: Request, ask: Asking, agent_id: str, method: str, path: str, **more: Any
) -> Response:
    """Do something to a key; show what is known of the agent's keys then, or why not."""
    refused, losses, status = None, None, 200
    try:
        await ask(request, "agents", method, path, **more)
    except Refusal as refusal:
        refused, status = told(request, refusal), refusal.status
        if refusal.code == "models_would_stop":
            losses = refusal.more.get("models", [])
            refused["action"] = say(request, "To go on all the same, tick the box and paste the key again.")
    one = await ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")
    done = refused is None
    return page(
        request, "agent_keys.html", status, agent=one, **_keys(one, refused=refused, losses=losses, done=done)
    )


def _keys(
    agent: dict[str, Any],
    *,
    refused: dict[str, str] | None = None,
    losses: list[str] | None = None,
    done: bool = False,
) -> dict[str, Any]:
    providers = sorted({agent["provider"], *(key["provider"] for key in agent["keys"])})
    return {"providers": providers, "refused": refused, "losses": losses, "done": done}
