"""What comes in by HTTP about agents and their versions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_svc.domain.errors import no_agent, no_provider, no_version
from agent_svc.inbound import views
from agent_svc.outbound import agent_store as store
from agent_svc.usecases.put_agent import put_agent
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import CallerDep
from contracts.agents import Tool

SCOPES = {
    "GET /v1/agents": "dialogs:read",
    "PUT /v1/agents/{agent_id}": "agents:write",
    "GET /v1/agents/{agent_id}": "dialogs:read",
    "GET /v1/agents/{agent_id}/versions": "dialogs:read",
    "GET /v1/agents/{agent_id}/versions/{version}": "dialogs:read",
}
Limit = Annotated[int, Query(ge=1, le=200)]


class Definition(BaseModel):
    """What an owner says of an agent."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str = Field(min_length=1, max_length=256)
    prompt: str = Field(max_length=200_000, pattern=r"^[^\x00]*$")
    tools: list[Tool] = Field(default_factory=list, max_length=128)
    parallel_tool_calls: bool | None = None
    base_model: str = Field(min_length=1, max_length=256)
    provider: str = Field(min_length=1, max_length=256)
    idle_seconds: int = Field(1800, ge=10, le=30 * 86_400)
    recorded_by: Literal["gateway", "backend"] = "gateway"


def add_endpoints(routes: APIRouter, database: Database, catalogue: Catalogue) -> None:
    """Add the endpoints of agents."""

    @routes.get("/v1/agents")
    async def list_agents(
        caller: CallerDep, limit: Limit = 50, cursor: Annotated[str, Query(max_length=128)] = ""
    ) -> dict[str, Any]:
        """List agents by id."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            agents = await store.list_agents(transaction.connection, caller.tenant, cursor, limit + 1)
        items = [
            {"agent_id": one.agent_id, "name": one.definition["name"], "version": one.version}
            for one in agents
        ]
        return {
            "items": items[:limit],
            "next_cursor": agents[limit - 1].agent_id if len(agents) > limit else None,
        }

    @routes.put("/v1/agents/{agent_id}")
    async def put(
        caller: CallerDep,
        agent_id: Annotated[str, Field(max_length=128)],
        definition: Definition,
        response: Response,
    ) -> dict[str, Any]:
        """Make an agent or change it; each change is a new version."""
        if catalogue.provider(definition.provider) is None:
            raise no_provider()
        async with database.tenant_transaction(caller.tenant) as transaction:
            agent, new = await put_agent(
                transaction,
                tenant=caller.tenant,
                subject=caller.subject,
                agent_id=agent_id,
                definition=definition.model_dump(mode="json"),
            )
        response.status_code = 201 if new else 200
        return views.agent(agent, [])

    @routes.get("/v1/agents/{agent_id}")
    async def get(caller: CallerDep, agent_id: str) -> dict[str, Any]:
        """Return an agent and what is known of its keys."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            agent = await store.get_agent(transaction.connection, caller.tenant, agent_id)
            if agent is None:
                raise no_agent()
            keys = await store.keys_of(transaction.connection, caller.tenant, agent_id)
        return views.agent(agent, keys)

    @routes.get("/v1/agents/{agent_id}/versions")
    async def versions(caller: CallerDep, agent_id: str) -> dict[str, Any]:
        """List an agent's versions, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            rows = await store.list_versions(transaction.connection, caller.tenant, agent_id)
        if not rows:
            raise no_agent()
        return {
            "items": [{**row, "created_at": row["created_at"].isoformat()} for row in rows],
            "next_cursor": None,
        }

    @routes.get("/v1/agents/{agent_id}/versions/{version}")
    async def version(
        caller: CallerDep, agent_id: str, version: Annotated[int, Field(ge=1, le=2**62)]
    ) -> dict[str, Any]:
        """Return one version of an agent."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            row = await store.get_version(transaction.connection, caller.tenant, agent_id, version)
        if row is None:
            raise no_version()
        known = {name: row[name] for name in ("version", "fingerprint", "created_by")}
        return {**row["definition"], **known, "created_at": row["created_at"].isoformat()}
