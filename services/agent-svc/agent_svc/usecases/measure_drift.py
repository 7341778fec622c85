"""Hold the prompt and functions that each model in service was taught against today's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent_svc.domain.agent import Agent
from agent_svc.domain.difference import Difference, difference
from agent_svc.domain.errors import no_agent
from agent_svc.outbound import agent_store, route_store, run_store
from chassis.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Taught:
    """A model in service: which run made it, and which version of the agent that run was frozen with.

    `share` is None for the fallback. Without a run of ours the model was taught nothing of the agent.
    """

    model: str
    provider: str
    share: float | None
    run_id: str | None = None
    agent_version: int | None = None
    definition: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """How far an agent has moved from what a model was taught; None where that is not known."""

    taught: Taught
    difference: Difference | None


async def measure_drift(database: Database, tenant: str, agent_id: str) -> tuple[Agent, list[Drift]]:
    """Return the agent as it is today and the drift of each model in service; raises a 404 Problem."""
    async with database.tenant_transaction(tenant) as transaction:
        agent = await agent_store.get_agent(transaction.connection, tenant, agent_id)
        if agent is None:
            raise no_agent()
        taught = await _in_service(transaction.connection, tenant, agent)
    # outside the transaction and the loop: a long prompt takes a while
    return agent, await asyncio.to_thread(lambda: [_drift(one, agent) for one in taught])


def _drift(taught: Taught, agent: Agent) -> Drift:
    known = taught.definition
    return Drift(taught, difference(known, agent.definition) if known is not None else None)


async def _in_service(connection: Connection, tenant: str, agent: Agent) -> list[Taught]:
    row = await route_store.current_route(connection, tenant, agent.agent_id)
    route = row["effective"] if row else None
    if route is None:
        return [Taught(agent.definition["base_model"], agent.definition["provider"], 1.0)]
    targets = [*route["targets"], *([route["fallback"]] if route.get("fallback") else [])]
    return [await _taught(connection, tenant, target) for target in targets]


async def _taught(connection: Connection, tenant: str, target: Mapping[str, Any]) -> Taught:
    model, provider, share = target["model"], target["provider"], target.get("share")
    if target.get("run_id"):
        run = await run_store.get_run(connection, tenant, target["run_id"])
    else:
        run = await run_store.run_of_model(connection, tenant, model)
    if run is None:
        return Taught(model, provider, share, target.get("run_id"))
    version = await agent_store.get_version(connection, tenant, run["agent_id"], run["agent_version"])
    definition = version["definition"] if version is not None else None
    return Taught(model, provider, share, str(run["run_id"]), run["agent_version"], definition)
