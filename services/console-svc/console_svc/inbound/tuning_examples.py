"""The dataset as a table: search and filters, one page after the other, a look at each example."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from console_svc.domain.reading import exchanges
from console_svc.inbound.asking import Asking, Part, part, segment
from console_svc.inbound.datasets import dataset_of, path_of
from console_svc.inbound.page import page
from console_svc.inbound.tuning_requests import Examples

PAGE = 50
ExamplesQuery = Annotated[Examples, Query()]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the parts of the table."""

    @routes.get("/tuning/{agent_id}/examples")
    async def examples(request: Request, agent_id: str, wanted: ExamplesQuery) -> Response:
        """Show the table, as somebody types or chooses."""
        dataset = await dataset_of(request, ask, agent_id)
        found = await found_examples(request, ask, dataset, wanted)
        address = f"/tuning/{segment(agent_id)}{wanted.query()}"
        headers = {"HX-Replace-Url": address}
        return page(request, "tuning_examples.html", headers=headers, agent_id=agent_id, **found)

    @routes.get("/tuning/{agent_id}/examples-more")
    async def more(request: Request, agent_id: str, wanted: ExamplesQuery, cursor: UUID) -> Response:
        """Show the next rows."""
        path = await path_of(request, ask, agent_id)
        listed = await part(request, _listed(request, ask, path, wanted, str(cursor)))
        return page(request, "tuning_rows.html", agent_id=agent_id, listed=listed, wanted=wanted)

    @routes.get("/tuning/{agent_id}/row/{example_id}")
    async def row(
        request: Request, agent_id: str, example_id: UUID, dialog_id: Annotated[str, Query(max_length=128)]
    ) -> Response:
        """Show one row again: its example was saved or taken out somewhere else."""
        path = await path_of(request, ask, agent_id)
        for state in ({}, {"state": "removed"}):
            query = {"dialog_id": dialog_id, **state}
            found = await ask(request, "datasets", "GET", f"{path}/examples", params=query)
            for one in found["items"]:
                if one["id"] == str(example_id):
                    return page(request, "tuning_row.html", agent_id=agent_id, one=one)
        return Response(status_code=204)  # it is gone for good, and the row tells what it was

    @routes.get("/tuning/{agent_id}/peek/{example_id}")
    async def peek(request: Request, agent_id: str, example_id: UUID) -> Response:
        """Show what an example says, and what was found in it."""
        shown = await part(request, ask(request, "datasets", "GET", f"/v1/examples/{example_id}"))
        messages = exchanges(shown.value["messages"]) if shown.value else []
        weights = {one["id"]: one for one in shown.value["messages"]} if shown.value else {}
        return page(
            request, "tuning_peek.html", agent_id=agent_id, shown=shown, messages=messages, weights=weights
        )


async def found_examples(
    request: Request, ask: Asking, dataset: dict[str, Any], wanted: Examples
) -> dict[str, Any]:
    """Return the rows and what the filters hold, each of which may be missing by itself."""
    path = f"/v1/datasets/{segment(dataset['id'])}"

    async def checked_then_listed() -> tuple[Part, Part]:
        """Checking catches up with what changed, so a list by finding comes after it."""
        checks = part(request, ask(request, "datasets", "GET", f"{path}/checks", params={"limit": 1}))
        rows = part(request, _listed(request, ask, path, wanted, ""))
        if wanted.finding:
            return await checks, await rows
        first, second = await asyncio.gather(checks, rows)
        return first, second

    (checks, listed), summary = await asyncio.gather(
        checked_then_listed(), part(request, ask(request, "datasets", "GET", f"{path}/summary"))
    )
    return {"listed": listed, "summary": summary, "checks": checks, "wanted": wanted}


async def _listed(request: Request, ask: Asking, path: str, wanted: Examples, cursor: str) -> Any:
    query = wanted.filter() | {"limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
    return await ask(request, "datasets", "GET", f"{path}/examples", params=query)
