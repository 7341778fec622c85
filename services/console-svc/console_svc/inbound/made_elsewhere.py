"""A model that was made elsewhere: of a file taken away, or deployed under a name of its own."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console_svc.inbound.asking import Asking, part
from console_svc.inbound.page import page, told
from console_svc.outbound.backends import Refusal

Word = Annotated[str, Form(max_length=256)]
IN_LIST = {"HX-Trigger": '{"live": {"target": "#runs"}}'}
"""Lets the list of models read itself again."""


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the form, and what it sends."""

    @routes.get("/models/{agent_id}/elsewhere")
    async def form(request: Request, agent_id: str) -> Response:
        """Show the form."""
        return await _form(request, ask, agent_id)

    @routes.post("/models/{agent_id}/elsewhere")
    async def add(
        request: Request,
        agent_id: str,
        provider: Word,
        model: Word,
        key: Annotated[UUID, Form()],
        base_model: Word = "",
    ) -> Response:
        """Add the model to the agent's, once; or say why not, with what was typed."""
        name, base = model.strip(), base_model.strip() or None
        body = {"agent_id": agent_id, "provider": provider, "model": name, "base_model": base}
        try:
            headers = {"Idempotency-Key": str(key)}
            await ask(request, "training", "POST", "/v1/models", json=body, headers=headers)
        except Refusal as refusal:
            typed = {"provider": provider, "model": name, "base_model": base or ""}
            return await _form(request, ask, agent_id, refusal, **typed)
        return page(request, "made_elsewhere.html", 200, IN_LIST, agent_id=agent_id, added=name)


async def _form(
    request: Request, ask: Asking, agent_id: str, refusal: Refusal | None = None, **typed: str
) -> Response:
    query = {"agent_id": agent_id}
    catalogue = await part(request, ask(request, "training", "GET", "/v1/base-models", params=query))
    known: dict[str, Any] = catalogue.value or {"providers": [], "items": []}
    answering = [one for one in known["providers"] if one["protocol"] != "file" and one["key"]]
    return page(
        request, "made_elsewhere.html", refusal.status if refusal else 200, agent_id=agent_id, added="",
        refused=told(request, refusal) if refusal else catalogue.refused, providers=answering,
        bases=sorted({one["base_model"] for one in known["items"]}), key=str(uuid4()),
        typed={"provider": "", "model": "", "base_model": ""} | typed,
    )  # fmt: skip
