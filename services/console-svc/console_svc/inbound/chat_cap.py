"""The cap on a test chat: its branch becomes an example, and the editor opens with the hint marked."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from console_svc.domain.chat_view import seen
from console_svc.inbound.asking import Asking, part
from console_svc.inbound.chat_parts import read_chat
from console_svc.inbound.page import page, say, told
from console_svc.outbound.backends import Refusal
from console_svc.usecases.cap_chat import Branch, ChatCuration
from console_svc.usecases.cap_dialog import Capped, Curation, Dialog


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the cap."""

    @routes.post("/chats/{agent_id}/{chat_id}/cap")
    async def take(
        request: Request, agent_id: str, chat_id: UUID, column: Annotated[int, Form(ge=0, le=1)] = 0
    ) -> Response:
        """Take a column's branch into the dataset, and go to the editor."""
        chat = await read_chat(request, ask, agent_id, chat_id)
        columns = seen(chat).columns
        one = columns[min(column, len(columns) - 1)]
        branch = Branch(Dialog(str(chat_id), agent_id, one.branch or ""), one.leaf)
        curation = ChatCuration(ask.backends)
        try:
            capped = await curation.take(request.state.session, request.state.language, branch)
        except Refusal as refusal:
            why = told(request, refusal)
            if refusal.code == "no_dataset":
                why["detail"] = say(request, "This dialog's agent is not known yet.")
            return page(request, "chat_cap.html", refusal.status, refused=why, pending="", chat=chat)
        return _on(request, capped, chat)

    @routes.get("/chats/{agent_id}/{chat_id}/cap/{example_id}")
    async def arrived(request: Request, agent_id: str, chat_id: UUID, example_id: UUID) -> Response:
        """Look again for an example that was promised."""
        chat = await read_chat(request, ask, agent_id, chat_id)
        looked = Curation(ask.backends).arrived(request.state.session, request.state.language, example_id)
        found = await part(request, looked)
        if found.refused:
            return page(request, "chat_cap.html", refused=found.refused, pending="", chat=chat)
        return _on(request, found.value, chat)


def _on(request: Request, capped: Capped, chat: dict[str, object]) -> Response:
    """Go to the editor, or say that the text is on its way and look again."""
    if capped.example is None:
        return page(request, "chat_cap.html", refused=None, pending=capped.pending, chat=chat)
    address = f"/examples/{UUID(capped.example['id'])}"
    return Response(status_code=204, headers={"HX-Redirect": address})
