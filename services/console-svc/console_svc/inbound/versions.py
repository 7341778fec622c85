"""Dataset versions: the list, one with its manifest, what differs between two, freezing and rebuilding."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import Response

from console_svc.domain.reading import text_of
from console_svc.inbound import version_files
from console_svc.inbound.asking import Asking, Part, part, segment
from console_svc.inbound.choosing import add_choice, remember
from console_svc.inbound.datasets import dataset_of, path_of
from console_svc.inbound.page import page, told
from console_svc.inbound.tuning_requests import Once
from console_svc.outbound.backends import Refusal

PAGE, RUNS = 50, 200
Number = Annotated[int, Path(ge=1, le=2**62)]
Compared = Annotated[int, Query(ge=1, le=2**62)]
Key = Annotated[Once, Form()]
Cursor = Annotated[str, Query(max_length=64)]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the pages of versions, and the files that one takes away and brings in."""
    add_choice(routes, ask, "versions")
    version_files.add_pages(routes, ask)

    @routes.get("/versions/{agent_id}")
    async def versions(request: Request, agent_id: str, cursor: Cursor = "") -> Response:
        """List versions, newest first, or further ones."""
        agent, dataset = await asyncio.gather(
            part(request, ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")),
            part(request, dataset_of(request, ask, agent_id)),
        )
        if agent.refused and dataset.refused:
            await ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")  # 404 where there is none
        listed = Part(refused=dataset.refused)
        if dataset.value:
            listed = await part(request, _listed(request, ask, dataset.value["id"], cursor))
        template = "versions_rows.html" if cursor else "versions.html"
        shown = page(
            request,
            template,
            agent=agent,
            dataset=dataset,
            agent_id=agent_id,
            listed=listed,
            key=str(uuid4()),
        )
        return remember(shown, agent_id)

    @routes.post("/versions/{agent_id}/freeze")
    async def freeze(request: Request, agent_id: str, key: Key) -> Response:
        """Freeze the dataset as it is, without training."""
        path = await path_of(request, ask, agent_id)
        return await _made(request, ask, agent_id, f"{path}/versions", key)

    @routes.get("/versions/{agent_id}/diff")
    async def diff(
        request: Request, agent_id: str, a: Compared, b: Compared, cursor: Cursor = ""
    ) -> Response:
        """Show what the second version has that the first has not."""
        path = await path_of(request, ask, agent_id)
        query = {"cursor": cursor} if cursor else {}
        found = await ask(request, "datasets", "GET", f"{path}/versions/{a}/diff/{b}", params=query)
        agents = Part()
        if found["agent"]["prompt_changed"] or found["agent"]["functions_changed"]:
            sides = (found["agent"]["from"], found["agent"]["to"])
            between = f"/v1/agents/{segment(agent_id)}/versions/{sides[0]}/diff/{sides[1]}"
            agents = await part(request, ask(request, "agents", "GET", between))
        template = "versions_changes.html" if cursor else "versions_diff.html"
        return page(request, template, agent_id=agent_id, diff=found, found=agents, text_of=text_of)

    @routes.get("/versions/{agent_id}/{number}")
    async def version(request: Request, agent_id: str, number: Number) -> Response:
        """Show one version: what it holds, how it was made, what was trained on it."""
        path = await path_of(request, ask, agent_id)
        one = await ask(request, "datasets", "GET", f"{path}/versions/{number}")
        template = "version_state.html" if request.headers.get("hx-request") else "version.html"
        query = {"agent_id": agent_id, "limit": RUNS}
        runs = await part(request, ask(request, "training", "GET", "/v1/runs", params=query))
        mine = [run for run in (runs.value or {"items": []})["items"] if run["version"] == number]
        return page(
            request, template, agent_id=agent_id, one=one, runs=Part(mine, runs.refused), key=str(uuid4()),
            refused=None,
        )  # fmt: skip

    @routes.post("/versions/{agent_id}/{number}/rebuild")
    async def rebuild(request: Request, agent_id: str, number: Number, key: Key) -> Response:
        """Freeze what an erasure left of a version as a new one."""
        path = await path_of(request, ask, agent_id)
        return await _made(request, ask, agent_id, f"{path}/versions/{number}/rebuild", key)


async def _listed(request: Request, ask: Asking, dataset_id: str, cursor: str) -> Any:
    query = {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
    return await ask(request, "datasets", "GET", f"/v1/datasets/{segment(dataset_id)}/versions", params=query)


async def _made(request: Request, ask: Asking, agent_id: str, path: str, key: str) -> Response:
    """Make a version and go to it; or say why not."""
    try:
        made = await ask(
            request, "datasets", "POST", path, json={}, headers={"Idempotency-Key": key} if key else {}
        )
    except Refusal as refusal:
        return page(
            request, "versions_refused.html", refusal.status, agent_id=agent_id, refusal=refusal,
            refused=told(request, refusal),
        )  # fmt: skip
    address = f"/versions/{segment(agent_id)}/{made['version']}"
    return Response(status_code=204, headers={"HX-Redirect": address})
