"""Values that were allowed as no personal data in a dataset: the list, and taking them back."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console_svc.inbound.asking import Asking, part
from console_svc.inbound.datasets import path_of
from console_svc.inbound.page import page, told
from console_svc.inbound.tuning_bulk import CHANGED
from console_svc.outbound.backends import Refusal

PAGE = 50
Text = Annotated[str, Form(max_length=256)]
Kind = Annotated[str, Form(max_length=32)]
Why = Annotated[str, Form(max_length=1_000)]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the list and what one does with it."""

    @routes.get("/tuning/{agent_id}/allowed")
    async def allowed(request: Request, agent_id: str, cursor: UUID | None = None) -> Response:
        """Show the values, or further ones."""
        path = await path_of(request, ask, agent_id)
        listed = await part(request, _listed(request, ask, path, cursor))
        template = "allowed_rows.html" if cursor else "allowed_values.html"
        return page(request, template, agent_id=agent_id, listed=listed)

    @routes.post("/tuning/{agent_id}/allowed/{value_id}/take-back")
    async def take_back(
        request: Request, agent_id: str, value_id: UUID, text: Text, why: Why, kind: Kind = ""
    ) -> Response:
        """Let a value be a finding again."""
        path = await path_of(request, ask, agent_id)
        asked = ask(request, "datasets", "DELETE", f"{path}/allowed-values/{value_id}")
        return await _done(request, agent_id, asked, text=text, kind=kind, why=why, counts=True)

    @routes.post("/tuning/{agent_id}/allowed")
    async def allow(request: Request, agent_id: str, text: Text, why: Why, kind: Kind = "") -> Response:
        """Allow it once more: what was taken back by mistake."""
        path = await path_of(request, ask, agent_id)
        body = {"text": text, "kind": kind or None, "why": why}
        asked = ask(request, "datasets", "POST", f"{path}/allowed-values", json=body)
        return await _done(request, agent_id, asked, text=text, kind=kind, why=why, counts=False)


async def _listed(request: Request, ask: Asking, path: str, cursor: UUID | None) -> Any:
    query = {"limit": str(PAGE)} | ({"cursor": str(cursor)} if cursor else {})
    return await ask(request, "datasets", "GET", f"{path}/allowed-values", params=query)


async def _done(request: Request, agent_id: str, asked: Any, **value: Any) -> Response:
    """Say what became of it; then the rest of the page reads itself again."""
    refused, status = None, 200
    try:
        await asked
    except Refusal as refusal:
        refused, status = told(request, refusal), refusal.status
    headers = {} if refused else CHANGED
    return page(
        request, "allowed_told.html", status, headers, agent_id=agent_id, refused=refused, value=value
    )
