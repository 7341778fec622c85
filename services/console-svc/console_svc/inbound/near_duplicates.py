"""Near duplicates: groups of examples that say nearly the same, to look through and keep one."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console_svc.inbound.asking import Asking, part
from console_svc.inbound.datasets import path_of
from console_svc.inbound.page import page
from console_svc.inbound.tuning_bulk import shown_operation

GROUPS, MEMBERS = 10, 50
"""What is shown at once; the next groups come as these are settled."""


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the groups and what one does with them."""

    @routes.get("/tuning/{agent_id}/duplicates")
    async def groups(request: Request, agent_id: str) -> Response:
        """Show groups with all that is in them."""
        found = await part(request, _groups(request, ask, agent_id))
        return page(request, "near_duplicates.html", agent_id=agent_id, found=found)

    @routes.post("/tuning/{agent_id}/duplicates/keep")
    async def keep(request: Request, agent_id: str, example_id: Annotated[UUID, Form()]) -> Response:
        """Keep this one: what is near to it leaves the dataset, and may be taken back."""
        return await shown_operation(request, agent_id, _kept(request, ask, example_id))


async def _kept(request: Request, ask: Asking, example_id: UUID) -> Any:
    """Return the operation by which the others left the dataset."""
    body = {"code": "near_duplicate", "fix": "keep_this"}
    done = await ask(request, "datasets", "POST", f"/v1/examples/{example_id}/fixes", json=body)
    operation_id = UUID(done["undo"]["operation_id"])
    return await ask(request, "datasets", "GET", f"/v1/operations/{operation_id}")


async def _groups(request: Request, ask: Asking, agent_id: str) -> list[dict[str, Any]]:
    path = await path_of(request, ask, agent_id)
    query = {"code": "near_duplicate", "limit": 200}
    found = await ask(request, "datasets", "GET", f"{path}/checks", params=query)
    names = dict.fromkeys(
        finding["facts"]["group"]
        for one in found["items"]
        for finding in one["findings"]
        if finding["dismissed"] is None
    )
    chosen = [str(UUID(name)) for name in names][:GROUPS]
    members = await asyncio.gather(
        *(
            ask(request, "datasets", "GET", f"{path}/examples", params={"group": one, "limit": MEMBERS})
            for one in chosen
        )
    )
    return [
        {"group": name, "examples": page["items"], "more": page["next_cursor"] is not None}
        for name, page in zip(chosen, members, strict=True)
    ]
