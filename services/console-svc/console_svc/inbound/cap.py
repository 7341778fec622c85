"""The graduate's cap in the reader's upper right corner, which opens the editor, and its mark in the list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from console_svc.domain.session import Session
from console_svc.inbound.asking import part, segment
from console_svc.inbound.editor_view import Shown, drawn, in_readers_place
from console_svc.inbound.page import page, say, told
from console_svc.outbound.backends import Refusal
from console_svc.usecases.cap_dialog import Capped, Curation, Dialog
from console_svc.usecases.edit_example import Editing

Id = Annotated[str, Form(max_length=128)]
BranchField = Annotated[str, Form(max_length=129)]
BranchQuery = Annotated[str, Query(max_length=129)]
"""`=` and the branch's name, which may be empty; without it the active branch is meant."""
Named = Annotated[str, Query(max_length=128)]
Looked = Annotated[int, Query(ge=0, le=100_000)]
LATE = 20
"""Looks, half a second apart, after which a dialog is late and is looked for more seldom."""


def add_pages(routes: APIRouter, curation: Curation, editing: Editing) -> None:
    """Add the parts of pages that show and press the cap."""

    @routes.get("/cap")
    async def shown(
        request: Request, dialog_id: Named, agent_id: Named, branch: BranchQuery = ""
    ) -> Response:
        """Show whether the dialog is in the dataset."""
        dialog = _dialog(dialog_id, agent_id, branch)
        return await _shown(request, dialog, curation.of_dialog(*_who(request), dialog))

    @routes.get("/cap/arrived")
    async def arrived(
        request: Request,
        dialog_id: Named,
        agent_id: Named,
        example_id: UUID,
        branch: BranchQuery = "",
        looked: Looked = 0,
    ) -> Response:
        """Look again for an example that was promised."""
        dialog = _dialog(dialog_id, agent_id, branch)
        there = curation.arrived(*_who(request), example_id)
        return await _opened(request, dialog, editing, there, looked + 1)

    @routes.post("/cap")
    async def take(request: Request, dialog_id: Id, agent_id: Id, branch: BranchField = "") -> Response:
        """Press the cap: open a copy of the dialog in its dataset."""
        dialog = _dialog(dialog_id, agent_id, branch)
        path = f"/v1/dialogs/{segment(dialog_id)}"
        return await _opened(request, dialog, editing, curation.take(*_who(request), dialog, path))

    @routes.post("/cap/save")
    async def save(
        request: Request,
        dialog_id: Id,
        agent_id: Id,
        example_id: Annotated[UUID, Form()],
        branch: BranchField = "",
    ) -> Response:
        """Put the copy into the dataset as it is."""
        dialog = _dialog(dialog_id, agent_id, branch)
        there = partial(curation.arrived, *_who(request), example_id)
        return await _shown(request, dialog, curation.save(*_who(request), example_id), there)

    @routes.post("/cap/undo")
    async def undo(
        request: Request,
        dialog_id: Id,
        agent_id: Id,
        example_id: Annotated[UUID, Form()],
        operation_id: Annotated[UUID, Form()],
        branch: BranchField = "",
    ) -> Response:
        """Take the last save back."""
        dialog = _dialog(dialog_id, agent_id, branch)
        there = partial(curation.arrived, *_who(request), example_id)
        return await _shown(request, dialog, curation.undo(*_who(request), example_id, operation_id), there)

    @routes.get("/cap-mark")
    async def mark(request: Request, dialog_id: Named, agent_id: Named) -> Response:
        """Show in the list whether a dialog is in the dataset."""
        try:
            capped = await curation.of_dialog(*_who(request), Dialog(dialog_id, agent_id))
        except Refusal:
            return Response(status_code=204)  # the mark stays as it was
        is_in = capped.example is not None and capped.example["saved_revision"] is not None
        one = {"dialog_id": dialog_id, "agent_id": agent_id, "in_dataset": is_in}
        return page(request, "cap_mark.html", one=one)


def _dialog(dialog_id: str, agent_id: str, branch: str) -> Dialog:
    return Dialog(dialog_id, agent_id, branch[1:] if branch.startswith("=") else None)


def _who(request: Request) -> tuple[Session, str]:
    return request.state.session, request.state.language


async def _opened(
    request: Request, dialog: Dialog, editing: Editing, asked: Awaitable[Capped], looked: int = 0
) -> Response:
    """Open the copy in the reader's place once it is there; until then, or if it is refused, show the cap.

    `looked`: how often one has looked for it.
    """
    try:
        capped = await asked
        if capped.example is not None:
            example_id = UUID(capped.example["id"])
            example = await editing.read(*_who(request), example_id)
            headers = {"HX-Retarget": "#reader", "HX-Reswap": "innerHTML"}
            headers |= in_readers_place(request, example_id)
            return drawn(request, example, example_id, Shown(), more_headers=headers)
    except Refusal as refusal:
        return await _shown(request, dialog, _refuse(refusal))
    return await _shown(request, dialog, _answer(capped), looked=looked)


async def _refuse(refusal: Refusal) -> Capped:
    raise refusal


async def _answer(capped: Capped) -> Capped:
    return capped


async def _shown(
    request: Request,
    dialog: Dialog,
    asked: Awaitable[Capped],
    otherwise: Callable[[], Awaitable[Capped]] | None = None,
    looked: int = 0,
) -> Response:
    """Show what became of it; or why not, beside what there is otherwise."""
    capped, refused, status = Capped(), None, 200
    try:
        capped = await asked
    except Refusal as refusal:
        refused, status = told(request, refusal), refusal.status
        if refusal.code == "no_dataset":
            refused["detail"] = say(request, "This dialog's agent is not known yet.")
        if refusal.more.get("findings"):
            refused["action"] = say(request, "Open the copy and correct what is marked beside the messages.")
        if otherwise is not None:
            capped = (await part(request, otherwise())).value or capped
    return page(
        request, "cap.html", status, dialog=dialog, capped=capped, refused=refused, looked=looked,
        is_late=looked >= LATE,
    )  # fmt: skip
