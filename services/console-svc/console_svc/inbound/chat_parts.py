"""A test chat as pages show it, and the form beneath it: one says something, or answers for functions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from console_svc.domain.chat_view import seen
from console_svc.inbound.asking import Asking
from console_svc.inbound.page import page, say, told
from console_svc.outbound.backends import Refusal

Json = dict[str, Any]


async def read_chat(request: Request, ask: Asking, agent_id: str, chat_id: UUID) -> Json:
    """Return a test chat of this agent; raises Refusal, also when it is another agent's."""
    chat: Json = await ask(request, "agents", "GET", f"/v1/test-dialogs/{chat_id}")
    if chat["agent_id"] != agent_id:
        raise Refusal(404, "not_found", say(request, "There is no such page."))
    return chat


def shown(request: Request, chat: Json, **form: Any) -> Json:
    """Return what templates need of a test chat; `form` is what was typed, and why it was refused."""
    view = seen(chat)
    names = [_name(request, one.use, one.model) for one in view.columns]
    blank = {"content": "", "column": "", "refused": None, "again": False, "edit": None}
    return {
        "chat": chat,
        "view": view,
        "names": names,
        "form": blank | form,
        "mode": _mode(request, chat, view.asking),
    }


def talk(
    request: Request, chat: Json, status: int = 200, *, streaming: bool = False, **form: Any
) -> Response:
    """Return the messages as they are now and, unless more is to come, the form beneath them."""
    values = shown(request, chat, **form) | {"streaming": streaming}
    headers = {"HX-Retarget": "#talk"}  # of a refusal too: it brings the messages along
    return page(request, "chat_talk.html", status, headers, **values)


async def refused(
    request: Request, ask: Asking, place: tuple[str, UUID], refusal: Refusal, **form: Any
) -> Response:
    """Show the chat as it is now, why it was refused, and what was typed, to be sent once more."""
    why = told(request, refusal)
    if refusal.code == "test_dialog_changed":
        why["action"] = say(request, "This is how it is now. Send yours all the same, or leave it.")
        form["again"] = True
    try:
        chat = await read_chat(request, ask, *place)
    except Refusal:
        headers = {"HX-Retarget": "#chat-refused", "HX-Reswap": "innerHTML"}
        return page(request, "refused.html", refusal.status, headers, refused=why)
    if form.get("edit"):
        form["edit"] = next((one for one in chat["messages"] if one["message_id"] == form["edit"]), None)
    return talk(request, chat, refusal.status, refused=why, **form)


def _mode(request: Request, chat: Json, asking: bool) -> str:  # noqa: FBT001 -- said of the chat
    if not request.state.session.may("curate"):
        return "reading"
    if asking:
        return "asking"
    return "calls" if chat["open_calls"] else "saying"


def _name(request: Request, use: str, model: str) -> str:
    if use == "model":
        return model
    return say(request, "what serves now") if use == "route" else say(request, "the base model")
