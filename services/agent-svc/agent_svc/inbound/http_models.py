"""`GET /v1/models` as OpenAI's clients know it: the agents that may be asked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from agent_svc.outbound import agent_store as store
from chassis.database import Database
from chassis.http import CallerDep

SCOPES = {"GET /v1/models": "chat"}
MOST = 1_000


def add_endpoints(routes: APIRouter, database: Database) -> None:
    """Add the list of models."""

    @routes.get("/v1/models")
    async def list_models(caller: CallerDep) -> dict[str, Any]:
        """List agents by the names under which they are asked (at most 1,000)."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            agents = await store.list_agents(transaction.connection, caller.tenant, "", MOST)
        data = [
            {
                "id": f"agent:{agent.agent_id}",
                "object": "model",
                "created": int(agent.updated_at.timestamp()),
                "owned_by": caller.tenant,
            }
            for agent in agents
        ]
        return {"object": "list", "data": data}
