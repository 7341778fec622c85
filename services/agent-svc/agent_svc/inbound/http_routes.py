"""What comes in by HTTP about what serves an agent."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from agent_svc.domain.errors import no_agent
from agent_svc.outbound import agent_store as store
from agent_svc.outbound import route_store
from agent_svc.usecases.activate_route import roll_back
from chassis.database import Database
from chassis.http import CallerDep

SCOPES = {
    "GET /v1/agents/{agent_id}/route": "dialogs:read",
    "POST /v1/agents/{agent_id}/rollback": "activate",
}


def add_endpoints(routes: APIRouter, database: Database) -> None:
    """Add the endpoints of routes."""

    @routes.get("/v1/agents/{agent_id}/route")
    async def route(caller: CallerDep, agent_id: str) -> dict[str, Any]:
        """Return what serves the agent now; version 0 is the base model."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            agent = await store.get_agent(transaction.connection, caller.tenant, agent_id)
            if agent is None:
                raise no_agent()
            row = await route_store.current_route(transaction.connection, caller.tenant, agent_id)
        shown = {"agent_id": agent_id, "base_model": agent.definition["base_model"]}
        if row is None:
            return shown | {"route_version": 0, "desired": None, "effective": None, "reason": None}
        activation = str(row["activation_id"]) if row["activation_id"] else None
        kept = {name: row[name] for name in ("route_version", "desired", "effective", "reason", "by")}
        return shown | kept | {"activation_id": activation, "at": row["at"].isoformat()}

    @routes.post("/v1/agents/{agent_id}/rollback")
    async def rollback(caller: CallerDep, agent_id: str) -> dict[str, Any]:
        """Serve what served before."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await store.get_agent(transaction.connection, caller.tenant, agent_id) is None:
                raise no_agent()
            version = await roll_back(
                transaction, tenant=caller.tenant, subject=caller.subject, agent_id=agent_id
            )
        return {"agent_id": agent_id, "route_version": version}
