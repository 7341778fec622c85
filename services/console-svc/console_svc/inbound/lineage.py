"""Lineage: from any link of the chain back to the dialogs, and on to what serves."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from console_svc.domain.lineage_view import layers
from console_svc.inbound.asking import Asking, segment
from console_svc.inbound.page import page

PAGE = 50
Kind = Literal["dialog", "example", "version", "run", "model", "activation"]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the picture. Ids of dialogs and names of models may hold a slash."""

    @routes.get("/lineage/{kind}/{node_id:path}")
    async def lineage(
        request: Request, kind: Kind, node_id: str, cursor: Annotated[str, Query(max_length=256)] = ""
    ) -> Response:
        """Show one thing between what it came of and what came of it."""
        query = {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
        path = f"/v1/lineage/{kind}/{segment(node_id)}"
        found = await ask(request, "datasets", "GET", path, params=query)
        return page(request, "lineage.html", found=found, layers=layers(found), paged=bool(cursor))
