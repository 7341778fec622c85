"""One run: how far it is, its curves, checkpoints and diary, and what its owner wants of it."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Request
from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from console_svc.domain.curves import ACCURACY, LOSS, chart
from console_svc.domain.models_view import row_of
from console_svc.inbound.asking import Asking, Part, part, segment
from console_svc.inbound.choosing import remember
from console_svc.inbound.model_parts import Wish, models_of, serving_now
from console_svc.inbound.page import page, say
from console_svc.outbound.backends import Refusal

DIARY, STEPS = 200, 5_000
Json = dict[str, Any]
Asked = Literal["refresh", "cancel", "pause", "resume"]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the pages of a run."""

    @routes.get("/models/{agent_id}/runs/{run_id}")
    async def run(request: Request, agent_id: str, run_id: UUID) -> Response:
        """Show one run."""
        one = await _run(request, ask, agent_id, run_id)
        agent, serving, whole = await asyncio.gather(
            part(request, ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")),
            serving_now(request, ask, agent_id, Wish()),
            _whole(request, ask, agent_id, one),
        )
        shown = page(request, "run.html", agent=agent, **(serving | whole))
        return remember(shown, agent_id)

    @routes.get("/models/{agent_id}/runs/{run_id}/now")
    async def now(request: Request, agent_id: str, run_id: UUID) -> Response:
        """Show it again."""
        one = await _run(request, ask, agent_id, run_id)
        return page(request, "run_now.html", **await _whole(request, ask, agent_id, one))

    @routes.get("/models/{agent_id}/runs/{run_id}/row")
    async def row(request: Request, agent_id: str, run_id: UUID) -> Response:
        """Show its line of the list again."""
        one = await _run(request, ask, agent_id, run_id)
        return await _row(request, ask, agent_id, one)

    @routes.get("/models/{agent_id}/runs/{run_id}/file")
    async def file(request: Request, agent_id: str, run_id: UUID) -> Response:
        """Pass the training file on as it comes, to take away."""
        await _run(request, ask, agent_id, run_id)
        answer = await ask.stream(request, "training", "GET", f"/v1/runs/{run_id}/file")
        return StreamingResponse(
            answer.aiter_bytes(), media_type="application/x-ndjson",
            headers={"Content-Disposition": f'attachment; filename="training-{run_id}.jsonl"'},
            background=BackgroundTask(answer.aclose),
        )  # fmt: skip

    @routes.post("/models/{agent_id}/runs/{run_id}/{asked}")
    async def wish(
        request: Request,
        agent_id: str,
        run_id: UUID,
        asked: Asked,
        shown: Annotated[Literal["row", "whole"], Form()] = "whole",
    ) -> Response:
        """Ask the provider now, or for the run to be cancelled, paused, resumed; show what is known then."""
        await _run(request, ask, agent_id, run_id)
        answer = await part(request, ask(request, "training", "POST", f"/v1/runs/{run_id}/{asked}"))
        one = answer.value or await _run(request, ask, agent_id, run_id)
        if shown == "row":
            return await _row(request, ask, agent_id, one, answer)
        return page(request, "run_now.html", **await _whole(request, ask, agent_id, one, answer))


async def _run(request: Request, ask: Asking, agent_id: str, run_id: UUID) -> Json:
    """Return a run of this agent; raises Refusal, also when it is another agent's."""
    run: Json = await ask(request, "training", "GET", f"/v1/runs/{run_id}")
    if run["agent_id"] != agent_id:
        raise Refusal(404, "not_found", say(request, "There is no such page."))
    return run


async def _row(
    request: Request, ask: Asking, agent_id: str, run: Json, asked: Part | None = None
) -> Response:
    model, route = await _model_and_route(request, ask, agent_id, run)
    line = row_of(run, model, route)
    values: Json = {"row": line, "now": route, "models": [], "refused": asked.refused if asked else None}
    return page(request, "models_row.html", agent_id=agent_id, **values)


async def _whole(request: Request, ask: Asking, agent_id: str, run: Json, asked: Part | None = None) -> Json:
    """Return all that is known of a run; each part may be missing by itself."""
    path = f"/v1/runs/{run['run_id']}"
    (model, route), models, metrics, events, key = await asyncio.gather(
        _model_and_route(request, ask, agent_id, run),
        part(request, models_of(request, ask, agent_id)),
        part(request, ask(request, "training", "GET", f"{path}/metrics", params={"limit": STEPS})),
        part(request, ask(request, "training", "GET", f"{path}/events", params={"limit": DIARY})),
        part(request, ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")),
    )
    items = metrics.value["items"] if metrics.value else []
    checkpoints = [
        one for one in models.value or () if one["run_id"] == run["run_id"] and one["kind"] == "checkpoint"
    ]
    diary = [one for one in (events.value or {"items": ()})["items"] if one["code"] != "step_done"]
    return {
        "agent_id": agent_id, "run": run, "row": row_of(run, model, route), "now": route,
        "models": models.value or [], "checkpoints": [row_of(None, one, route) for one in checkpoints],
        "metrics": metrics, "loss": chart(items, LOSS), "accuracy": chart(items, ACCURACY),
        "events": events, "diary": diary,
        "asked_refused": asked.refused if asked else None, "today": (key.value or {}).get("version"),
    }  # fmt: skip


async def _model_and_route(
    request: Request, ask: Asking, agent_id: str, run: Json
) -> tuple[Json | None, Json | None]:
    """Return the model of a run, once there is one, and the agent's route."""
    route = part(request, ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}/route"))
    if not run["model"]:
        return None, (await route).value
    model = part(request, ask(request, "training", "GET", f"/v1/models/{run['run_id']}"))
    found, now = await asyncio.gather(model, route)
    return found.value, now.value
