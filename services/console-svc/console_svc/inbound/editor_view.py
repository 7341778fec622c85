"""The editor as it is shown: the copy now, and beside it whatever was typed and could not be taken yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from console_svc.domain.copy import by_message, rows
from console_svc.domain.session import Session
from console_svc.domain.word_diff import Part, differences
from console_svc.inbound.page import page, say, told
from console_svc.outbound.backends import Refusal
from console_svc.usecases.edit_example import CHANGED, Editing

OF_THE_DATASET = frozenset({"duplicate", "near_duplicate", "contradiction", "example_too_long"})
"""Findings that only the whole dataset tells: they stand with what was checked last."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed into a message and what was not taken, in which line it is wrong."""

    form: str
    """text, arguments or insert"""
    message_id: str
    texts: list[str]
    call_id: str = ""
    kind: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What is told besides the copy itself."""

    focus: str = ""
    """The message that the focus goes to; else it stays, or goes to the head."""
    undo: str = ""
    """The call that can be undone: a save, a removal, pseudonyms."""
    refused: dict[str, str] | None = None
    where: list[str] = field(default_factory=list)
    """The messages that the refusal is about."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    """What others changed meanwhile."""
    typed: Typed | None = None
    taken: str = ""
    """Which draft was taken, so that the browser may forget it."""
    status: int = 200


def who(request: Request) -> tuple[Session, str]:
    """Return on whose behalf services are asked, and in which language."""
    return request.state.session, request.state.language


def draft(example_id: UUID | str, form: str, *ids: str) -> str:
    """Return under which name the browser keeps what is typed into a form until it was taken."""
    return " ".join(["copy", str(example_id), form, *(quote(one, safe="") for one in ids if one)])


def stamp(example: dict[str, Any]) -> str:
    """Return what tells one state of an example from another."""
    parts = ("draft_revision", "saved_revision", "state", "new_messages", "changed_at")
    return "_".join(str(example.get(name)) for name in parts)


async def show(
    request: Request, editing: Editing, example_id: UUID, shown: Shown = Shown(), *, whole: bool = False
) -> Response:  # fmt: skip
    """Show the editor as it is now. Raises Refusal, which leaves in the browser what is there."""
    example = await editing.read(*who(request), example_id)
    return drawn(request, example, example_id, shown, whole=whole)


def drawn(
    request: Request, example: dict[str, Any], example_id: UUID, shown: Shown, *, whole: bool = False,
    more_headers: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    """Draw what was read."""
    template = "editor_page.html" if whole else "editor_part.html"
    if example["state"] == "pending":
        return page(request, template, shown.status, more_headers, example=example, example_id=example_id)
    lines = rows(example)
    general, mine = _general(example), _mine(shown, lines)
    headers = {"X-Draft-Taken": shown.taken} if shown.taken else {}
    headers |= more_headers or {}
    return page(
        request, template, shown.status, headers=headers, example=example, example_id=example_id,
        rows=lines, general=general, shown=shown, mine=mine, stamp=stamp(example),
        may_edit=request.state.session.may("curate") and example["state"] != "removed",
        back=_back(request, example), draft=draft, personal=_personal(example),
        numbers={one.id: number for number, one in enumerate(lines, 1) if not one.deleted},
        accepted=_accepted(example), known={one["code"] for one in example["stored"]},
    )  # fmt: skip


def in_readers_place(request: Request, example_id: UUID) -> dict[str, str]:
    """Return the headers by which the address of the dialogs' page says that the copy is open in it."""
    address = _dialogs_address(request)
    if address is None:
        return {}
    path, query = address
    return {"HX-Replace-Url": f"{path}?{urlencode([*query, ('copy', str(example_id))])}"}


def _dialogs_address(request: Request) -> tuple[str, list[tuple[str, str]]] | None:
    """Return path and query of the dialogs' page where that is where the browser is; without the copy."""
    here = urlsplit(request.headers.get("hx-current-url", ""))
    if not here.path.startswith("/dialogs/"):
        return None
    return quote(here.path, safe="/%"), [one for one in parse_qsl(here.query) if one[0] != "copy"]


def _back(request: Request, example: dict[str, Any]) -> str:
    """Return where the dialog itself is shown; nothing for an example without one."""
    if (address := _dialogs_address(request)) is not None:
        path, query = address
        return f"{path}?{urlencode(query)}" if query else path
    dialog_id = example["dialog_id"]
    if example["source"] == "test" and dialog_id:
        return f"/chats/{quote(example['agent_id'], safe='')}/{quote(dialog_id, safe='')}"
    return f"/dialogs/{quote(dialog_id, safe='')}" if dialog_id else ""


def refusal_shown(request: Request, refusal: Refusal, typed: Typed | None = None, **more: Any) -> Shown:
    """Return what to tell of a refusal: why, where, and what others changed."""
    refused = told(request, refusal)
    findings = refusal.more.get("findings", [])
    where = [one["message_id"] for one in findings if one["message_id"]]
    named = refusal.more.get("message_id")
    where = list(dict.fromkeys([*where, *([named] if named else [])]))
    changes = refusal.more.get("changes", []) if refusal.code == CHANGED else []
    if refusal.code == CHANGED:
        refused["action"] = say(request, "Look at what changed. Nothing of yours is lost: choose.")
    elif findings:
        refused["action"] = say(request, "Correct what is marked beside the messages, then save again.")
    elif refusal.more.get("places") is not None and refusal.field_name.startswith("operations."):
        refused["action"] = ""
    focus = where[0] if findings and where else ""
    more = {"focus": focus} | more
    return Shown(refused=refused, where=where, changes=changes, typed=typed, status=refusal.status, **more)


def _general(example: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the findings of the whole: those of the copy now, and those that the dataset's checks told."""
    seen = {one["code"] for one in example["findings"]}
    stored = [one for one in example["stored"] if one["code"] in OF_THE_DATASET - seen]
    return [*by_message(example["findings"])[None], *stored]


def _accepted(example: dict[str, Any]) -> set[str]:
    """Return the codes that somebody accepted for the content that counts."""
    if example["saved_revision"] is not None and example["unsaved_changes"]:
        return set()
    return {one["code"] for one in example["stored"] if one["dismissed"]}


def _personal(example: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return of each message the values that are personal data, once each."""
    found: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    for value in example["personal"]:
        for place in value["places"]:
            one = {"kind": value["kind"], "pseudonym": value["pseudonym"], "text": place["before"]}
            found.setdefault(place["message_id"], {}).setdefault((value["kind"], place["before"]), one)
    return {message_id: list(values.values()) for message_id, values in found.items()}


@dataclass(frozen=True, slots=True)
class Mine:
    """What was typed, at its place: against what stands there now, or without a place any more."""

    typed: Typed
    is_lost: bool
    against: list[Part]


def _mine(shown: Shown, lines: list[Any]) -> Mine | None:
    typed = shown.typed
    if typed is None:
        return None
    row = next((one for one in lines if one.id == typed.message_id and not one.deleted), None)
    lost = row is None and typed.message_id != ""
    against: list[Part] = []
    if row is not None and shown.changes and typed.form == "text":
        against = differences(row.text, "".join(typed.texts))
    return Mine(typed, lost, against)
