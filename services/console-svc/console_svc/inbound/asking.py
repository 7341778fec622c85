"""What pages ask of the services, and what they say when one of them refuses or is silent."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from chassis import observability as seen
from chassis.errors import describe, where
from console_svc.inbound.page import page, say, told
from console_svc.outbound.backends import Backends, Name, Refusal


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks services on behalf of whoever asked for a page."""

    backends: Backends

    async def __call__(self, request: Request, name: Name, method: str, path: str, **more: Any) -> Any:
        """Return the answer's JSON; raises Refusal."""
        return await self.backends.call(
            request.state.session, request.state.language, name, method, path, **more
        )

    async def stream(
        self, request: Request, name: Name, method: str, path: str, **more: Any
    ) -> httpx.Response:
        """Return an answer whose body is still to come, to be passed on and closed; raises Refusal."""
        return await self.backends.stream(
            request.state.session, request.state.language, name, method, path, **more
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page: what was asked for, or why it is not there."""

    value: Any = None
    refused: dict[str, str] | None = None


async def part(request: Request, asked: Awaitable[Any]) -> Part:
    """Return what was asked for, or the refusal in the reader's words, so that the rest of the page works."""
    try:
        return Part(await asked)
    except Refusal as refusal:
        return Part(refused=told(request, refusal))


def segment(identifier: str) -> str:
    """Return an identifier as one step of a path; raises Refusal for what would be a step elsewhere."""
    if identifier in {"", ".", ".."}:
        raise Refusal(404, "not_found", "")
    return quote(identifier, safe="")


def add_refusals(pages: FastAPI) -> None:
    """Let whatever goes wrong be said on a page, or in the part of one that was asked for."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)  # noqa: S101 -- what it is registered for
        return said(request, error.status, **told(request, error))

    async def unknown(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 422
        return said(request, status, **_words(request, status))

    pages.add_exception_handler(Refusal, refused)
    pages.add_exception_handler(HTTPException, unknown)
    pages.add_exception_handler(RequestValidationError, unknown)


def on_error(request: Request, error: Exception) -> Response:
    """Return the page for what nobody foresaw; the log has where it was, never what was sent."""
    seen.log().error("page_failed", error=describe(error), at=where(error))
    return said(request, 500, **_words(request, 500))


def _words(request: Request, status: int) -> dict[str, str]:
    if status == 404:  # noqa: PLR2004 -- HTTP's own number
        detail = say(request, "There is no such page.")
    elif status == 500:  # noqa: PLR2004 -- as above
        detail = say(request, "Something went wrong here. It has been noted.")
    else:
        detail = say(request, "This cannot be asked for like that.")
    return {"detail": detail, "action": say(request, "Go back and try again.")}


def said(request: Request, status: int, detail: str, action: str) -> Response:
    """Return a refusal as a page, or as the part of one that was asked for."""
    whole = not request.headers.get("hx-request")
    template = "problem.html" if whole else "refused.html"
    return page(request, template, status, refused={"detail": detail, "action": action})
