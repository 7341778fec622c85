"""Suggestions: dialogs that are worth a look, taken, skipped or put off, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from pydantic import Field
from starlette.responses import Response

from console_svc.domain.reading import exchanges
from console_svc.inbound.asking import Asking, part, segment
from console_svc.inbound.datasets import path_of
from console_svc.inbound.page import page, told
from console_svc.inbound.tuning_bulk import CHANGED
from console_svc.outbound.backends import Refusal

PAGE, MARKS = 30, 20
LATER = timedelta(days=7)
Reason = Annotated[str, Query(max_length=64)]
Name = Annotated[str, Query(max_length=128)]
Mark = Annotated[str, Field(max_length=200)]
Marks = Annotated[list[Mark], Query(default_factory=list, max_length=MARKS)]
"""Reasons with the messages that they are about, as `reason:message`."""
NameField = Annotated[str, Form(max_length=128)]
Decision = Literal["accept", "skip", "snooze", "reopen"]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the queue and what one decides in it."""

    @routes.get("/tuning/{agent_id}/suggestions")
    async def queue(
        request: Request,
        agent_id: str,
        reason: Reason = "",
        cursor: Annotated[str, Query(max_length=1_000)] = "",
    ) -> Response:
        """Show what counts most, or further ones."""
        query = {"limit": str(PAGE), "reason": reason, "cursor": cursor}
        given = {name: value for name, value in query.items() if value}
        listed = await part(request, _listed(request, ask, agent_id, given))
        template = "suggestions_rows.html" if cursor else "suggestions.html"
        return page(request, template, agent_id=agent_id, listed=listed, reason=reason)

    @routes.get("/tuning/{agent_id}/suggestions/peek")
    async def peek(
        request: Request, agent_id: str, dialog_id: Name, mark: Marks, branch: Name = ""
    ) -> Response:
        """Show the dialog, with the messages marked that the reasons are about."""
        path = f"/v1/dialogs/{segment(dialog_id)}"
        query = {"branch": branch} if branch else {}
        shown = await part(request, ask(request, "dialogs", "GET", path, params=query))
        messages = exchanges(shown.value["messages"]) if shown.value else []
        return page(
            request, "suggestions_peek.html", agent_id=agent_id, shown=shown, messages=messages,
            dialog_id=dialog_id, branch=branch, marks=_by_message(mark),
        )  # fmt: skip

    @routes.post("/tuning/{agent_id}/suggestions")
    async def decide(
        request: Request,
        agent_id: str,
        decision: Annotated[Decision, Form()],
        dialog_id: NameField,
        branch: NameField = "",
    ) -> Response:
        """Take it into the dataset, skip it, put it off for a week, or let it be open again."""
        example, refused, status = None, None, 200
        try:
            example = await _decided(request, ask, agent_id, decision, dialog_id, branch)
        except Refusal as refusal:
            refused, status = told(request, refusal), refusal.status
        return page(
            request, "suggestions_decided.html", status, CHANGED if refused is None else {},
            agent_id=agent_id, decision=decision, dialog_id=dialog_id, branch=branch, example=example,
            refused=refused,
        )  # fmt: skip


def _by_message(marks: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for mark in marks:
        reason, _, message = mark.partition(":")
        found.setdefault(message, []).append(reason)
    return found


def _marks(one: dict[str, Any]) -> str:
    """Return which messages a suggestion is about, as the end of an address."""
    pairs = [f"{each['reason']}:{message}" for each in one["reasons"] for message in each["message_ids"]]
    return urlencode([("mark", pair) for pair in pairs[:MARKS]])


async def _listed(request: Request, ask: Asking, agent_id: str, query: dict[str, str]) -> Any:
    path = await path_of(request, ask, agent_id)
    found = await ask(request, "datasets", "GET", f"{path}/suggestions", params=query)
    for one in found["items"]:
        one["marks"] = _marks(one)
    return found


async def _decided(
    request: Request, ask: Asking, agent_id: str, decision: Decision, dialog_id: str, branch: str
) -> Any:
    path = await path_of(request, ask, agent_id)
    body = {"until": (datetime.now(UTC) + LATER).isoformat()} if decision == "snooze" else None
    return await ask(
        request, "datasets", "POST", f"{path}/suggestions/{segment(dialog_id)}/{decision}",
        params={"branch": branch} if branch else {}, json=body,
    )  # fmt: skip
