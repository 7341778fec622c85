"""Start training: what to choose, what it would cost, what stands in the way, and the start itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from console_svc.domain.choices import Choices, choices, read_value
from console_svc.inbound.asking import Asking, Part, part, segment
from console_svc.inbound.datasets import dataset_of, path_of
from console_svc.inbound.page import page, told
from console_svc.inbound.tuning_requests import OptionalWhole, Training
from console_svc.outbound.backends import Refusal
from console_svc.usecases.start_training import Starter, Wanted
from console_svc.usecases.weigh_training import Found, Scales, Weighed

OF_AGENT = {"errors_block_freezing", "no_provider_key", "key_cannot_train", "agent_unknown"}
"""Refusals that are repaired on the agent's page, where they do not concern examples."""
TrainingForm = Annotated[Training, Form()]


def add_pages(routes: APIRouter, ask: Asking) -> None:
    """Add the form, its prospects, and the button."""
    scales, starter = Scales(ask.backends), Starter(ask.backends)

    @routes.get("/tuning/{agent_id}/start")
    async def start_form(
        request: Request, agent_id: str, version: Annotated[OptionalWhole, Query()] = None
    ) -> Response:
        """Show what one may choose."""
        dataset = await dataset_of(request, ask, agent_id)
        offered, newest = await asyncio.gather(
            part(request, _choices(request, ask, dataset, "")), part(request, _newest(request, ask, agent_id))
        )
        return page(
            request, "tuning_start.html", agent_id=agent_id, offered=offered, version=version,
            seen=newest.value or 0, minted=str(uuid4()), dataset=dataset,
        )  # fmt: skip

    @routes.post("/tuning/{agent_id}/prospects")
    async def prospects(request: Request, agent_id: str, wanted: TrainingForm) -> Response:
        """Show what would be trained, its cost, and what stands in the way."""
        return await _prospects(request, ask, scales, agent_id, wanted)

    @routes.post("/tuning/{agent_id}/start")
    async def start(request: Request, agent_id: str, wanted: TrainingForm) -> Response:
        """Start the training and go where it is to be seen; or say why not, and how to repair it."""
        dataset = await dataset_of(request, ask, agent_id)
        asked = Wanted(
            dataset, _train(wanted), wanted.agent, wanted.share, wanted.version, wanted.seen, wanted.minted
        )
        try:
            run = await starter.start(request.state.session, request.state.language, asked)
        except Refusal as refusal:
            return await _prospects(request, ask, scales, agent_id, wanted, refusal)
        address = f"/models/{segment(agent_id)}?{urlencode({'run': run.run_id})}"
        return Response(status_code=204, headers={"HX-Redirect": address})


def _train(wanted: Training) -> dict[str, Any]:
    provider, model = read_value(wanted.model)
    return {
        "base_model": model or None,
        "provider": provider or None,
        "hyperparameters": wanted.hyperparameters(),
        "suffix": wanted.suffix.strip() or None,
        "seed": wanted.seed,
        "budget": wanted.budget_microdollars(),
        "confirm_warnings": wanted.confirm,
    }


async def _prospects(
    request: Request, ask: Asking, scales: Scales, agent_id: str, wanted: Training,
    refusal: Refusal | None = None,
) -> Response:  # fmt: skip
    dataset = await dataset_of(request, ask, agent_id)
    offered = await part(request, _choices(request, ask, dataset, wanted.model))
    choice = offered.value.chosen if offered.value else None
    weighed = await part(
        request,
        scales.weigh(
            request.state.session, request.state.language, dataset, version=wanted.version,
            agent=wanted.agent, share=wanted.share, choice=choice, n_epochs=wanted.n_epochs,
        ),
    )  # fmt: skip
    code = refusal.code if refusal else ""
    return page(
        request, "tuning_prospects.html", refusal.status if refusal else 200, agent_id=agent_id,
        wanted=wanted, choice=choice, weighed=weighed, code=code,
        refused=told(request, refusal) if refusal else None, warnings=_found(refusal, "warnings"),
        blocked=_found(refusal, "errors"),
        budget=wanted.budget_microdollars(), hurdles=_is_said(code, weighed), of_agent=code in OF_AGENT,
    )  # fmt: skip


def _is_said(code: str, weighed: Part) -> bool:
    """Tell whether what was refused stands among the hurdles already, with the way to repair it."""
    if weighed.value is None:
        return False
    known: Weighed = weighed.value
    too_few = code == "too_few_examples" and known.training["examples"] < known.needed
    return too_few or (code == "errors_block_freezing" and bool(known.errors))


def _found(refusal: Refusal | None, name: str) -> list[Found]:
    told_of = refusal.more.get(name, []) if refusal else []
    severity = name.removesuffix("s")
    return [Found(one["code"], severity, one["examples"]) for one in told_of if "examples" in one]


async def _choices(request: Request, ask: Asking, dataset: dict[str, Any], wanted: str) -> Choices:
    query = {"agent_id": dataset["agent_id"]}
    catalogue, models = await asyncio.gather(
        ask(request, "training", "GET", "/v1/base-models", params=query),
        part(request, ask(request, "training", "GET", "/v1/models", params=query)),
    )
    return choices(catalogue, _own(models), dataset, wanted, datetime.now(UTC).date())


def _own(models: Part) -> list[dict[str, Any]]:
    """Return models of one's own that training may go on from; checkpoints stay out of the way."""
    return [one for one in (models.value or {"items": []})["items"] if one["step"] is None]


async def _newest(request: Request, ask: Asking, agent_id: str) -> int:
    path = await path_of(request, ask, agent_id)
    found = await ask(request, "datasets", "GET", f"{path}/versions", params={"limit": 1})
    return int(found["items"][0]["version"]) if found["items"] else 0
