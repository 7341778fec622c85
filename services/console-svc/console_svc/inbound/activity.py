"""Activity: who did what and when, over all services."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from console_svc.inbound.page import page, told
from console_svc.usecases.read_activity import Activity

SIZE = 50
LEADS_TO = {
    "dialog": "/dialogs/", "suggestion": "/dialogs/", "example": "/examples/", "agent": "/agents/",
    "key": "/agents/", "route": "/agents/", "model_activated": "/agents/", "warning": "/examples/",
    "training": "/lineage/run/", "run": "/lineage/run/",
}  # fmt: skip
"""Where one finds what an action was done to, by how its name begins."""


def add_pages(routes: APIRouter, activity: Activity) -> None:
    """Add the page."""

    @routes.get("/activity")
    async def shown(request: Request, cursor: UUID | None = None) -> Response:
        """Show the newest entries, or a further page of them."""
        found = await activity.page(request.state.session, request.state.language, cursor, SIZE)
        is_further = bool(request.headers.get("hx-request") and cursor)
        entries = [entry | {"address": address(entry)} for entry in found.entries]
        refused = told(request, found.silent[0]) if found.silent else None
        return page(
            request, "activity_rows.html" if is_further else "activity.html", entries=entries,
            following=found.following, refused=refused, is_further=is_further,
        )  # fmt: skip


def address(entry: dict[str, Any]) -> str:
    """Return the page of what something was done to; nothing where there is none."""
    action = str(entry["action"])
    begins = next((LEADS_TO[name] for name in (action, *_beginnings(action)) if name in LEADS_TO), "")
    return f"{begins}{quote(str(entry['object_id']), safe='')}" if begins else ""


def _beginnings(action: str) -> tuple[str, str]:
    return action.partition(".")[0], action.partition("_")[0]
