"""The first page."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from console_svc.inbound.page import page


def add_pages(routes: APIRouter) -> None:
    """Add the first page."""

    @routes.get("/")
    async def home(request: Request) -> Response:
        """Say where one is, and what comes next."""
        return page(request, "home.html")
