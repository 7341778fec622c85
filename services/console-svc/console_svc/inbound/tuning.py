"""Fine-tuning: the page, what is known of the key, and the dataset's health at a glance."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from console_svc.inbound import (
    allowed_values,
    near_duplicates,
    suggestions,
    training_start,
    tuning_bulk,
    tuning_examples,
)
from console_svc.inbound.asking import Asking, Part, part, segment
from console_svc.inbound.choosing import add_choice, remember
from console_svc.inbound.datasets import dataset_of, path_of
from console_svc.inbound.page import page
from console_svc.inbound.tuning_examples import found_examples
from console_svc.inbound.tuning_requests import Examples
from console_svc.outbound.backends import Refusal

Work = Literal["examples", "suggestions", "duplicates"]
ExamplesQuery = Annotated[Examples, Query()]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the page with all of its parts."""
    add_choice(routes, ask, "tuning")
    for area in (
        tuning_examples, tuning_bulk, allowed_values, suggestions, near_duplicates, training_start,
    ):  # fmt: skip
        area.add_pages(routes, ask)

    @routes.get("/tuning/{agent_id}")
    async def tuning(
        request: Request,
        agent_id: str,
        wanted: ExamplesQuery,
        work: Work = "examples",
        version: Annotated[str, Query(max_length=20)] = "",
    ) -> Response:
        """Show the page; what takes longer reads itself."""
        agent, dataset = await asyncio.gather(
            part(request, ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")),
            part(request, dataset_of(request, ask, agent_id)),
        )
        if agent.refused and dataset.refused:
            await ask(request, "agents", "GET", f"/v1/agents/{segment(agent_id)}")  # 404 where there is none
        table: dict[str, Any] = {}
        if work == "examples" and not dataset.refused:
            table = await found_examples(request, ask, dataset.value, wanted)
        shown = page(
            request, "tuning.html", agent=agent, dataset=dataset, agent_id=agent_id, work=work,
            version=version, counts=await part(request, _counts(request, ask, dataset)),
            **{"wanted": wanted} | table,
        )  # fmt: skip
        return remember(shown, agent_id)

    @routes.get("/tuning/{agent_id}/tabs")
    async def tabs(request: Request, agent_id: str, work: Work = "examples") -> Response:
        """Show how much there is of each kind of work."""
        dataset = await part(request, dataset_of(request, ask, agent_id))
        counts = await part(request, _counts(request, ask, dataset))
        return page(request, "tuning_tabs.html", agent_id=agent_id, work=work, counts=counts)

    @routes.get("/tuning/{agent_id}/health")
    async def health(request: Request, agent_id: str) -> Response:
        """Show size, tokens, findings, duplicates and split."""
        path = await path_of(request, ask, agent_id)
        checks, summary, split = await asyncio.gather(
            part(request, ask(request, "datasets", "GET", f"{path}/checks", params={"limit": 1})),
            part(request, ask(request, "datasets", "GET", f"{path}/summary")),
            part(request, ask(request, "datasets", "GET", f"{path}/split")),
        )
        return page(
            request, "tuning_health.html", agent_id=agent_id, checks=checks, summary=summary, split=split
        )


async def _counts(request: Request, ask: Asking, dataset: Part) -> dict[str, int]:
    """Return how many examples, suggestions and groups of near duplicates there are."""
    if dataset.refused:
        raise Refusal(404, "no_dataset", "")
    path = f"/v1/datasets/{segment(dataset.value['id'])}"
    summary, suggested = await asyncio.gather(
        ask(request, "datasets", "GET", f"{path}/summary"),
        ask(request, "datasets", "GET", f"{path}/suggestions", params={"limit": 1}),
    )
    return {
        "examples": summary["drafts"] + summary["saved"],
        "suggestions": suggested["total"],
        "duplicates": summary["near_duplicate_groups"],
    }
