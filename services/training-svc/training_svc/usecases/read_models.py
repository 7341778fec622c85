"""Read a model with all that is known of where it came from and where it serves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chassis.database import Connection
from training_svc.domain.run import Run
from training_svc.outbound import agent_store, diary_store, model_store, run_store
from training_svc.outbound.agent_store import Agent
from training_svc.outbound.model_store import Model


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model, the run that made it, its last figures, its agent and what serves that agent."""

    model: Model
    run: Run | None
    figures: dict[str, float]
    agent: Agent | None
    route: Any


async def read_model(connection: Connection, tenant: str, model_id: str) -> KnownModel | None:
    """Return a model; of a checkpoint the figures are those of its step."""
    model = await model_store.get(connection, tenant, model_id)
    if model is None:
        return None
    run = await run_store.get(connection, tenant, model.run_id) if model.run_id else None
    figures: dict[str, float] = {}
    if model.run_id and model.kind != "registered":
        figures = await diary_store.last_figures(connection, tenant, model.run_id, up_to=model.step)
    return KnownModel(
        model,
        run,
        figures,
        await agent_store.get_agent(connection, tenant, model.agent_id),
        await agent_store.get_route(connection, tenant, model.agent_id),
    )
