"""An agent's prompt and functions, edited: mistakes at their line, and no change of somebody else's lost."""

from __future__ import annotations

import json
from typing import Annotated, Any, cast

from fastapi import APIRouter, Form, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from console_svc.domain.json_place import steps
from console_svc.inbound.asking import Asking, segment
from console_svc.inbound.json_text import Mistake, line_at, read_json
from console_svc.inbound.page import page, say, told
from console_svc.outbound.backends import Refusal

DEFINITION = (
    "name", "prompt", "tools", "parallel_tool_calls", "base_model", "provider", "idle_seconds", "recorded_by",
    "stale_at",
)  # fmt: skip


class Typed(BaseModel):
    """What somebody typed. `version` is the one that it was typed on."""

    name: Annotated[str, Field(max_length=256)] = ""
    prompt: Annotated[str, Field(max_length=200_000)] = ""
    tools: Annotated[str, Field(max_length=1_000_000)] = "[]"
    version: Annotated[int, Field(ge=1, le=2**62)]

    def plain(self) -> Typed:
        """Return it with the ends of lines as they were shown: forms send two characters."""
        return self.model_copy(
            update={name: getattr(self, name).replace("\r\n", "\n") for name in ("prompt", "tools")}
        )


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the form and what it does."""

    @routes.get("/agents/{agent_id}/edit")
    async def form(request: Request, agent_id: str) -> Response:
        """Show prompt and functions to be edited."""
        one = await ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")
        tools = json.dumps(one["tools"], ensure_ascii=False, indent=2)
        typed = Typed(name=one["name"], prompt=one["prompt"], tools=tools, version=one["version"])
        return _form(request, agent_id, typed)

    @routes.post("/agents/{agent_id}/edit")
    async def save(request: Request, agent_id: str, typed: Annotated[Typed, Form()]) -> Response:
        """Make a new version of the agent, or show what is wrong beside what was typed."""
        typed = typed.plain()
        path = f"/v1/agents/{segment(agent_id)}"
        try:
            tools = read_functions(request, typed.tools)
            known = await ask(request, "agents", "GET", path)
            body = {name: known[name] for name in DEFINITION if known.get(name) is not None}
            body |= {"name": typed.name, "prompt": typed.prompt, "tools": tools}
            await ask(request, "agents", "PUT", path, json=body, headers={"If-Match": f'"{typed.version}"'})
        except Mistake as mistake:
            refused = {"detail": mistake.detail, "action": ""}
            return _form(request, agent_id, typed, 422, refused=refused, line=mistake.line)
        except Refusal as refusal:
            return _refused(request, agent_id, typed, refusal)
        return Response(status_code=204, headers={"HX-Redirect": f"/agents/{segment(agent_id)}"})


def read_functions(request: Request, text: str) -> list[Any]:
    """Return the functions of a JSON text; raises Mistake."""
    wanted = say(request, "Functions are a list: [ … ].")
    return cast(list[Any], read_json(request, text or "[]", list, wanted))


def _refused(request: Request, agent_id: str, typed: Typed, refusal: Refusal) -> Response:
    """Show a refusal: at its line, or as a choice when somebody else changed the agent meanwhile."""
    refused, line, changes = told(request, refusal), None, None
    path = steps(refusal.field_name.removeprefix("body."))
    if path[:1] == ["tools"]:
        line = line_at(typed.tools or "[]", path[1:])
    if refusal.code == "agent_changed":
        changes = refusal.more.get("changes", [])
        refused["action"] = say(request, "Look at what changed, then save yours over it or leave it.")
    return _form(request, agent_id, typed, refusal.status, refused=refused, line=line, changes=changes)


def _form(request: Request, agent_id: str, typed: Typed, status: int = 200, **more: Any) -> Response:
    values = {"refused": None, "line": None, "changes": None} | more
    return page(request, "agent_edit.html", status, agent_id=agent_id, typed=typed, **values)
