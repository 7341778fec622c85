"""Dialogs: the list with its search and chips, and the reader beside it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from console_svc.domain.reading import exchanges
from console_svc.inbound.asking import Asking, Part, part, segment
from console_svc.inbound.dialog_requests import Wanted
from console_svc.inbound.page import page
from console_svc.outbound.backends import Refusal

PAGE = 50
Branch = Annotated[str | None, Query(max_length=128)]
WantedQuery = Annotated[Wanted, Query()]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the pages of dialogs; the ids of dialogs are the chat backend's, so they may hold a slash."""

    @routes.get("/dialogs")
    async def dialogs(request: Request, wanted: WantedQuery) -> Response:
        """Show the list."""
        found = await _found(request, ask, wanted)
        return page(request, "dialogs.html", reader=None, dialog_id="", copy=None, **found)

    @routes.get("/dialogs-found")
    async def search(request: Request, wanted: WantedQuery) -> Response:
        """Show the list again, as somebody types or chooses."""
        found = await _found(request, ask, wanted)
        path, beside = _beside(request)
        query = urlencode([*wanted.asked().items(), *beside])
        headers = {"HX-Replace-Url": path + (f"?{query}" if query else "")}
        dialog_id = unquote(path.removeprefix("/dialogs").removeprefix("/"))
        return page(request, "dialogs_found.html", headers=headers, dialog_id=dialog_id, **found)

    @routes.get("/dialogs-more")
    async def more(
        request: Request, wanted: WantedQuery, cursor: Annotated[str, Query(max_length=1024)]
    ) -> Response:
        """Show the next page of the list."""
        listed = await part(request, _listed(request, ask, wanted, cursor))
        return page(request, "dialogs_rows.html", listed=listed, wanted=wanted, dialog_id="")

    @routes.get("/reader/{dialog_id:path}")
    async def reader(request: Request, dialog_id: str, branch: Branch = None) -> Response:
        """Show one dialog in its place beside the list."""
        shown = Part(await _read(request, ask, dialog_id, branch))
        return page(request, "reader.html", reader=shown, listed_at=_list_address(request))

    @routes.get("/dialogs/{dialog_id:path}")
    async def dialog(
        request: Request,
        dialog_id: str,
        wanted: WantedQuery,
        branch: Branch = None,
        copy: Annotated[UUID | None, Query()] = None,
    ) -> Response:
        """Show the list with one dialog beside it, or its copy; 404 when it is not there, or not ours."""
        found, status = await _found(request, ask, wanted), 200
        try:
            shown = Part(await _read(request, ask, dialog_id, branch))
        except Refusal as refusal:
            status = refusal.status
            shown = await part(request, _again(refusal))
        return page(
            request, "dialogs.html", status, reader=shown, dialog_id=dialog_id, copy=copy,
            listed_at=f"/dialogs{wanted.query()}", **found,
        )  # fmt: skip

    @routes.post("/mark")
    async def mark(
        request: Request,
        dialog_id: Annotated[str, Form(max_length=128)],
        rating: Annotated[Literal["good", "bad"], Form()],
        was: Annotated[Literal["", "good", "bad"], Form()] = "",
    ) -> Response:
        """Mark a dialog as good or bad; it stays as it `was` where that is refused."""
        path = f"/v1/dialogs/{segment(dialog_id)}/rating"
        marked = await part(request, ask(request, "dialogs", "PUT", path, json={"rating": rating}))
        now = rating if marked.refused is None else was
        return page(request, "marked.html", dialog_id=dialog_id, rating=now, refused=marked.refused)


def _beside(request: Request) -> tuple[str, list[tuple[str, str]]]:
    """Return the path of the page that is open, and what its address says of what stands beside the list."""
    here = urlsplit(request.headers.get("hx-current-url", ""))
    if not here.path.startswith("/dialogs/"):
        return "/dialogs", []
    beside = [one for one in parse_qsl(here.query, keep_blank_values=True) if one[0] in {"branch", "copy"}]
    return quote(here.path, safe="/%"), beside


def _list_address(request: Request) -> str:
    """Return the list as it was asked for on the page that is open."""
    here = urlsplit(request.headers.get("hx-current-url", ""))
    if not here.path.startswith("/dialogs"):
        return "/dialogs"
    query = urlencode([one for one in parse_qsl(here.query) if one[0] in Wanted.model_fields])
    return f"/dialogs?{query}" if query else "/dialogs"


async def _again(refusal: Refusal) -> None:
    raise refusal


async def _found(request: Request, ask: Asking, wanted: Wanted) -> dict[str, Any]:
    """Return list, counts and agents, each of which may be missing by itself."""
    listed, counts, agents = await asyncio.gather(
        part(request, _listed(request, ask, wanted, "")),
        part(request, ask(request, "dialogs", "GET", "/v1/dialogs/counts", params=wanted.filters())),
        part(request, ask(request, "agents", "GET", "/v1/agents", params={"limit": 200})),
    )
    return {"listed": listed, "counts": counts, "agents": agents, "wanted": wanted}


async def _listed(request: Request, ask: Asking, wanted: Wanted, cursor: str) -> Any:
    query = wanted.asked() | {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
    return await ask(request, "dialogs", "GET", "/v1/dialogs", params=query)


async def _read(request: Request, ask: Asking, dialog_id: str, branch: str | None) -> dict[str, Any]:
    query = {} if branch is None else {"branch": branch}
    path = f"/v1/dialogs/{segment(dialog_id)}"
    found: dict[str, Any] = await ask(request, "dialogs", "GET", path, params=query)
    address = f"/dialogs/{quote(dialog_id, safe='')}"
    return found | {"exchanges": exchanges(found["messages"]), "address": address, "asked_branch": branch}
