"""The dataset of an agent, which pages find by the agent's name."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import Request

from console_svc.inbound.asking import Asking
from console_svc.inbound.page import say
from console_svc.outbound.backends import Refusal


async def dataset_of(request: Request, ask: Asking, agent_id: str) -> dict[str, Any]:
    """Return the dataset of an agent; raises Refusal while there is none."""
    query = {"agent_id": agent_id, "limit": 1}
    found = await ask(request, "datasets", "GET", "/v1/datasets", params=query)
    if not found["items"]:
        detail = say(request, "There is no dataset for this agent yet.")
        action = say(request, "It is made by itself, a moment after the agent. Then reload this page.")
        raise Refusal(404, "no_dataset", detail, action)
    dataset: dict[str, Any] = found["items"][0]
    return dataset


async def path_of(request: Request, ask: Asking, agent_id: str) -> str:
    """Return the path of an agent's dataset at dataset-svc; raises Refusal while there is none."""
    dataset = await dataset_of(request, ask, agent_id)
    return f"/v1/datasets/{UUID(dataset['id'])}"
