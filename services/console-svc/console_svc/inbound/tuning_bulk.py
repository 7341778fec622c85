"""One action on many examples: counted before, followed while it goes on, undone after."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console_svc.inbound.asking import Asking, part
from console_svc.inbound.datasets import path_of
from console_svc.inbound.page import page, say, told
from console_svc.inbound.tuning_requests import Bulk
from console_svc.outbound.backends import Refusal

BulkForm = Annotated[Bulk, Form()]
CHANGED = {"HX-Trigger": '{"dataset-changed": {"target": "body"}}'}
"""Lets the parts of the page that show the dataset read themselves again."""


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add what one does to many examples, and the operations that come of it."""

    @routes.post("/tuning/{agent_id}/bulk/count")
    async def count(request: Request, agent_id: str, wanted: BulkForm) -> Response:
        """Say how many examples an action would change; only then it can be begun."""
        counted = await part(request, _bulk(request, ask, agent_id, wanted, dry_run=True))
        return page(
            request, "tuning_count.html", agent_id=agent_id, wanted=wanted, counted=counted, key=str(uuid4())
        )

    @routes.post("/tuning/{agent_id}/bulk")
    async def bulk(request: Request, agent_id: str, wanted: BulkForm) -> Response:
        """Begin it, once for each count."""
        return await shown_operation(request, agent_id, _bulk(request, ask, agent_id, wanted))

    @routes.get("/tuning/{agent_id}/operations/{operation_id}")
    async def operation(request: Request, agent_id: str, operation_id: UUID) -> Response:
        """Show how far an operation is."""
        asked = ask(request, "datasets", "GET", f"/v1/operations/{operation_id}")
        return await shown_operation(request, agent_id, asked)

    @routes.post("/tuning/{agent_id}/operations/{operation_id}/undo")
    async def undo(request: Request, agent_id: str, operation_id: UUID) -> Response:
        """Take an operation back."""
        asked = ask(request, "datasets", "POST", f"/v1/operations/{operation_id}/undo")
        return await shown_operation(request, agent_id, asked)


async def shown_operation(request: Request, agent_id: str, asked: Any) -> Response:
    """Show an operation; when it has ended, the rest of the page reads itself again."""
    refused, one, status = None, None, 200
    try:
        one = await asked
    except Refusal as refusal:
        refused, status = told(request, refusal), refusal.status
    headers = CHANGED if one and one["finished_at"] else {}
    return page(
        request, "tuning_operation.html", status, headers, agent_id=agent_id, one=one, refused=refused
    )


async def _bulk(
    request: Request, ask: Asking, agent_id: str, wanted: Bulk, *, dry_run: bool = False
) -> dict[str, Any]:
    if wanted.needs_tags and not wanted.named_tags():
        raise Refusal(
            422, "no_tags", say(request, "No tag is written."),
            say(request, "Write one under Tags, or several with commas between, then press again."),
        )  # fmt: skip
    path = await path_of(request, ask, agent_id)
    done: dict[str, Any] = await ask(
        request, "datasets", "POST", f"{path}/examples/bulk", json=wanted.body(dry_run=dry_run),
        headers={"Idempotency-Key": wanted.key} if wanted.key and not dry_run else {},
    )  # fmt: skip
    return done
