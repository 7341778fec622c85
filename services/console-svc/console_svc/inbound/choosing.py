"""Pages that belong to one agent: which one is meant when none is named."""

from __future__ import annotations

from urllib.parse import quote, unquote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console_svc.inbound.asking import Asking, part, segment
from console_svc.inbound.page import page
from console_svc.outbound.backends import Refusal

COOKIE = "agent"
KEPT_SECONDS = 30 * 24 * 3600
MOST = 200


def add_choice(routes: APIRouter, ask: Asking, place: str) -> None:
    """Add `/{place}`: leads to the agent chosen last, or the only one, or shows the choice.

    With `?choose=1` it shows the choice anyway.
    """

    async def choice(request: Request, *, choose: bool = False) -> Response:
        """Lead on, or let one choose."""
        if not choose and (known := await _known(request, ask)):
            return RedirectResponse(f"/{place}/{segment(known)}", 303)
        found = await part(request, ask(request, "agents", "GET", "/v1/agents", params={"limit": MOST}))
        if not choose and found.value and len(found.value["items"]) == 1:
            return RedirectResponse(f"/{place}/{segment(found.value['items'][0]['agent_id'])}", 303)
        return page(request, "choose_agent.html", found=found, place=place)

    routes.add_api_route(f"/{place}", choice, methods=["GET"])


def remember(response: Response, agent_id: str) -> Response:
    """Note the agent of a page, so that the next page is about the same one."""
    response.set_cookie(
        COOKIE, quote(agent_id, safe=""), max_age=KEPT_SECONDS, path="/", httponly=True, samesite="lax"
    )
    return response


def chosen_last(request: Request) -> str:
    """Return the agent of the page that was seen last, as far as the browser tells; maybe nobody's."""
    return unquote(request.cookies.get(COOKIE, ""))[:128]


async def _known(request: Request, ask: Asking) -> str:
    """Return the agent that was chosen last, if it is still there and this tenant's; else nothing."""
    agent_id = chosen_last(request)
    if not agent_id:
        return ""
    try:
        await ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")
    except Refusal:
        return ""
    return agent_id
