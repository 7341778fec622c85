"""What is typed in the editor: words and hints, arguments of calls, new messages, note and tags."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console_svc.domain.contents import plain, texts_of, with_texts
from console_svc.domain.json_place import steps, unspaced
from console_svc.domain.reading import is_json, laid_out
from console_svc.domain.spans import Span, narrowed, spans_of, widened
from console_svc.inbound.editor_requests import ArgumentsForm, InsertForm, LabelsForm, TextForm
from console_svc.inbound.editor_view import Shown, Typed, draft, refusal_shown, show, who
from console_svc.inbound.json_text import Mistake, line_at, read_json
from console_svc.inbound.page import say
from console_svc.outbound.backends import Refusal
from console_svc.usecases.edit_example import LABELS, Editing


def add_pages(routes: APIRouter, editing: Editing) -> None:
    """Add what the editor's forms send."""
    _add_text(routes, editing)
    _add_arguments(routes, editing)
    _add_insert(routes, editing)
    _add_labels(routes, editing)


def _add_text(routes: APIRouter, editing: Editing) -> None:
    @routes.post("/examples/{example_id}/text")
    async def text(request: Request, example_id: UUID, form: Annotated[TextForm, Form()]) -> Response:
        """Give a message other words, and its hint another mark if one was asked for."""
        typed = Typed("text", form.message_id, [plain(one) for one in form.text])
        taken = draft(example_id, "text", form.message_id)
        try:
            others = await _put_text(request, editing, example_id, form, typed.texts)
            shown = Shown(focus=form.message_id, taken=taken, changes=others)
        except Refusal as refusal:
            shown = refusal_shown(request, refusal, typed)
        return await show(request, editing, example_id, shown)


async def _put_text(
    request: Request, editing: Editing, example_id: UUID, form: TextForm, texts: list[str]
) -> list[dict[str, Any]]:
    """Send what was typed, then the mark; returns what others changed meanwhile. Raises Refusal."""
    example = await editing.glance(*who(request), example_id)
    version, others = form.version, list[dict[str, Any]]()
    message = _of(example, form.message_id)
    content = message.get("content")
    if message["role"] == "tool" and isinstance(content, str) and is_json(content):
        texts = [unspaced(one) if is_json(one) else one for one in texts]
        same = [unspaced(laid_out(content))] == texts
    else:
        same = [plain(one) for one in texts_of(content)] == texts
    if not same:
        new = with_texts(content, texts, may_be_empty=bool(message.get("tool_calls")))
        edit = {"op": "edit", "message_id": form.message_id, "content": new}
        done = await editing.change(*who(request), example_id, version, [edit], form.message_id)
        others, version = list(done.others), done.answer["draft_revision"]
        message = _of(done.answer, form.message_id)
    if form.mark and form.start < form.end:
        act = widened if form.mark == "add" else narrowed
        spans = act(spans_of(message.get("hint")), Span(form.start, form.end))
        hint = [{"start": one.start, "end": one.end} for one in spans]
        operation = {"op": "hint", "message_id": form.message_id, "hint": hint}
        await editing.change(*who(request), example_id, version, [operation], form.message_id)
    return others


def _of(example: dict[str, Any], message_id: str) -> dict[str, Any]:
    """Return a message of the copy; of one that somebody deleted what nothing typed can be the same as."""
    found = (one for one in example.get("messages", ()) if one["id"] == message_id)
    return next(found, {"role": "", "content": []})


def _add_arguments(routes: APIRouter, editing: Editing) -> None:
    @routes.post("/examples/{example_id}/arguments")
    async def arguments(
        request: Request, example_id: UUID, form: Annotated[ArgumentsForm, Form()]
    ) -> Response:
        """Give a function call other arguments; what is wrong with them is shown at its line."""
        text, line = plain(form.text), None
        try:
            read_json(request, text, dict, say(request, "Arguments are an object: { … }."))
            operation = {
                "op": "edit_call", "message_id": form.message_id, "call_id": form.call_id,
                "arguments": unspaced(text),
            }  # fmt: skip
            done = await editing.change(*who(request), example_id, form.version, [operation], form.message_id)
            taken = draft(example_id, "arguments", form.message_id, form.call_id)
            shown = Shown(focus=form.message_id, taken=taken, changes=list(done.others))
        except Mistake as mistake:
            typed = Typed("arguments", form.message_id, [text], form.call_id, line=mistake.line)
            shown = Shown(refused={"detail": mistake.detail, "action": ""}, typed=typed, status=422)
        except Refusal as refusal:
            places = refusal.more.get("places") or []
            if places:
                line = line_at(text, steps(places[0]))
            typed = Typed("arguments", form.message_id, [text], form.call_id, line=line)
            shown = refusal_shown(request, refusal, typed)
        return await show(request, editing, example_id, shown)


def _add_insert(routes: APIRouter, editing: Editing) -> None:
    @routes.post("/examples/{example_id}/insert")
    async def insert(request: Request, example_id: UUID, form: Annotated[InsertForm, Form()]) -> Response:
        """Insert a message after another one."""
        role, _, call_id = form.kind.partition(":")
        message: dict[str, Any] = {"role": role, "content": plain(form.text)}
        message |= {"tool_call_id": call_id} if call_id else {}
        operation = {"op": "insert", "after": form.after or None, "message": message}
        try:
            done = await editing.change(*who(request), example_id, form.version, [operation], form.after)
            ids = [one["id"] for one in done.answer["messages"]]
            new = ids[ids.index(form.after) + 1 if form.after in ids else 0]
            taken = draft(example_id, "insert", form.after)
            shown = Shown(focus=new, taken=taken, changes=list(done.others))
        except Refusal as refusal:
            typed = Typed("insert", form.after, [plain(form.text)], kind=form.kind)
            shown = refusal_shown(request, refusal, typed)
        return await show(request, editing, example_id, shown)


def _add_labels(routes: APIRouter, editing: Editing) -> None:
    @routes.post("/examples/{example_id}/labels")
    async def labels(request: Request, example_id: UUID, form: Annotated[LabelsForm, Form()]) -> Response:
        """Write note and tags."""

        try:
            example = await editing.glance(*who(request), example_id)
            now, wanted = example.get("tags", []), form.wanted()
            operations: list[dict[str, Any]] = [{"op": "note", "text": plain(form.note)}]
            add, remove = [one for one in wanted if one not in now], [one for one in now if one not in wanted]
            if add or remove:
                operations.append({"op": "tags", "add": add, "remove": remove})
            await editing.change(*who(request), example_id, form.version, operations, LABELS)
            shown = Shown(taken=draft(example_id, "labels"))
        except Refusal as refusal:
            shown = refusal_shown(request, refusal, Typed("labels", "", [form.note, form.tags]))
        return await show(request, editing, example_id, shown)
