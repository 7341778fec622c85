"""The editor: its page, and what one click does in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from console_svc.inbound.asking import part
from console_svc.inbound.editor_requests import AcceptForm, AllowForm, DoForm, FixForm, SaveForm, UndoForm
from console_svc.inbound.editor_view import Shown, drawn, in_readers_place, refusal_shown, show, stamp, who
from console_svc.inbound.page import page, say
from console_svc.outbound.backends import Refusal
from console_svc.usecases.edit_example import Editing

Seen = Annotated[str, Query(max_length=200)]
Undo = Annotated[UUID | None, Query()]
Act = Callable[[], Awaitable[Shown]]


def add_pages(routes: APIRouter, editing: Editing) -> None:
    """Add the page and its parts."""

    @routes.get("/examples/{example_id}")
    async def editor(request: Request, example_id: UUID) -> Response:
        """Show a copy on a page of its own; 404 when it is not there, or not this tenant's."""
        return await show(request, editing, example_id, whole=True)

    @routes.get("/examples/{example_id}/part")
    async def editor_part(request: Request, example_id: UUID, seen: Seen = "", undo: Undo = None) -> Response:
        """Show the copy in the reader's place; nothing when it is still what was `seen`."""
        example = await editing.read(*who(request), example_id)
        if seen and (example["state"] == "pending" or stamp(example) == seen):
            return Response(status_code=204)
        shown = Shown(undo="" if seen or undo is None else str(undo))
        return drawn(request, example, example_id, shown, more_headers=in_readers_place(request, example_id))

    @routes.get("/examples/{example_id}/revisions")
    async def revisions(request: Request, example_id: UUID) -> Response:
        """List what was saved so far."""
        found = await part(request, editing.revisions(*who(request), example_id))
        example = await editing.glance(*who(request), example_id)
        return page(request, "editor_revisions.html", found=found, example=example)

    _add_clicks(routes, editing)
    _add_findings(routes, editing)


async def shown_after(request: Request, editing: Editing, example_id: UUID, act: Act) -> Response:
    """Do something and show the copy then, or what stood in its way beside the copy as it is."""
    try:
        shown = await act()
    except Refusal as refusal:
        shown = refusal_shown(request, refusal)
    return await show(request, editing, example_id, shown)


def _add_clicks(routes: APIRouter, editing: Editing) -> None:
    @routes.post("/examples/{example_id}/do")
    async def do(request: Request, example_id: UUID, wanted: Annotated[DoForm, Form()]) -> Response:
        """Do what one click does: to a message, or to the whole copy."""

        async def act() -> Shown:
            if wanted.op in {"delete", "restore", "weight"}:
                return await _message(request, editing, example_id, wanted)
            if wanted.op == "bring-back":
                await editing.post(*who(request), example_id, wanted.version, "restore")
                return Shown()
            body = {"revision": wanted.revision} if wanted.op == "revert" else None
            await editing.post(*who(request), example_id, wanted.version, wanted.op, body)
            return Shown()

        return await shown_after(request, editing, example_id, act)

    @routes.post("/examples/{example_id}/save")
    async def save(request: Request, example_id: UUID, wanted: Annotated[SaveForm, Form()]) -> Response:
        """Put the copy into the dataset, or take it out; both can be undone."""

        async def act() -> Shown:
            if wanted.op == "remove":
                return Shown(undo=await editing.remove(*who(request), example_id, wanted.version))
            saved = await editing.post(*who(request), example_id, wanted.version, "save")
            return Shown(undo=(saved.get("undo") or {}).get("operation_id") or "")

        return await shown_after(request, editing, example_id, act)

    @routes.post("/examples/{example_id}/undo")
    async def undo(request: Request, example_id: UUID, wanted: Annotated[UndoForm, Form()]) -> Response:
        """Take the last save or removal back."""

        async def act() -> Shown:
            await editing.undo_call(*who(request), wanted.operation_id)
            return Shown()

        return await shown_after(request, editing, example_id, act)


def _add_findings(routes: APIRouter, editing: Editing) -> None:
    @routes.post("/examples/{example_id}/fix")
    async def fix(request: Request, example_id: UUID, wanted: Annotated[FixForm, Form()]) -> Response:
        """Apply a finding's fix."""
        body = {"code": wanted.code, "fix": wanted.fix, "message_id": wanted.message_id or None}
        body |= {"value": wanted.value} if wanted.value else {}

        async def act() -> Shown:
            fixed = await editing.post(*who(request), example_id, wanted.version, "fixes", body)
            undo = (fixed.get("undo") or {}).get("operation_id") or ""
            return Shown(focus=wanted.message_id, undo=undo)

        return await shown_after(request, editing, example_id, act)

    @routes.post("/examples/{example_id}/accept")
    async def accept(request: Request, example_id: UUID, wanted: Annotated[AcceptForm, Form()]) -> Response:
        """Accept a warning as it is, or let it count again."""

        async def act() -> Shown:
            await editing.dismiss(*who(request), example_id, wanted.code, wanted.why.strip())
            return Shown()

        return await shown_after(request, editing, example_id, act)

    @routes.post("/examples/{example_id}/allow")
    async def allow(request: Request, example_id: UUID, wanted: Annotated[AllowForm, Form()]) -> Response:
        """Let a value be no personal data in the whole dataset."""
        why = wanted.why.strip() or say(request, "Our own, not a client's.")
        value = {"text": wanted.text, "kind": wanted.kind, "why": why}

        async def act() -> Shown:
            await editing.allow(*who(request), str(wanted.dataset_id), value)
            return Shown(focus=wanted.message_id)

        return await shown_after(request, editing, example_id, act)


async def _message(request: Request, editing: Editing, example_id: UUID, wanted: DoForm) -> Shown:
    """Do one thing to one message."""
    more: dict[str, Any] = {"with_answers": True} if wanted.op == "delete" else {}
    more |= {"weight": wanted.weight} if wanted.op == "weight" else {}
    focus = wanted.message_id
    if wanted.op == "delete":
        focus = await _next(request, editing, example_id, wanted.message_id)
    operation = {"op": wanted.op, "message_id": wanted.message_id, **more}
    done = await editing.change(*who(request), example_id, wanted.version, [operation], wanted.message_id)
    return Shown(focus=focus, changes=list(done.others))


async def _next(request: Request, editing: Editing, example_id: UUID, message_id: str) -> str:
    """Return the message that the focus goes to when this one is deleted: the next, else the one before."""
    messages = (await editing.glance(*who(request), example_id)).get("messages", [])
    ids = [one["id"] for one in messages]
    if message_id not in ids or len(ids) == 1:
        return ""
    gone = {call["id"] for one in messages if one["id"] == message_id for call in one.get("tool_calls") or ()}
    left = [one["id"] for one in messages if one["id"] == message_id or one.get("tool_call_id") not in gone]
    place = left.index(message_id)
    return next(iter(left[place + 1 :]), left[place - 1] if place else "")
