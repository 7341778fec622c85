"""What comes in by HTTP about agents and their versions."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_svc.domain.errors import etag, if_match_unusable, no_agent, no_provider
from agent_svc.inbound import views
from agent_svc.outbound import agent_store as store
from agent_svc.outbound import key_store
from agent_svc.usecases.put_agent import put_agent
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import CallerDep, language
from contracts.agents import Tool

SCOPES = {
    "GET /v1/agents": "dialogs:read",
    "PUT /v1/agents/{agent_id}": "agents:write",
    "GET /v1/agents/{agent_id}": "dialogs:read",
}
Limit = Annotated[int, Query(ge=1, le=200)]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=100)]
IfNoneMatch = Annotated[str | None, Header(alias="If-None-Match", max_length=100)]
MADE: dict[int | str, dict[str, Any]] = {201: {"description": "Made now"}}
_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"\Z')


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
    stale_at: float = Field(0.2, gt=0, le=1, allow_inf_nan=False)
    """From which share of changed prompt words on a model taught an older prompt is stale."""


def seen_version(if_match: str | None) -> int | None:
    """Return the version that the caller read; raises a 428 Problem for one that is no ETag of ours."""
    if if_match is None or if_match.strip() == "*":
        return None
    match = _ETAG.match(if_match.strip())
    if match is None:
        raise if_match_unusable()
    return int(match[1])


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

    @routes.put("/v1/agents/{agent_id}", responses=MADE)
    async def put(
        caller: CallerDep,
        agent_id: Annotated[str, Field(max_length=128)],
        definition: Definition,
        response: Response,
        if_match: IfMatch = None,
        if_none_match: IfNoneMatch = None,
    ) -> dict[str, Any]:
        """Make an agent or change it; each change is a new version, the same again is none.

        With If-Match only the version that was read is changed, with `If-None-Match: *` only a new one made.
        """
        if catalogue.provider(definition.provider) is None:
            raise no_provider()
        async with database.tenant_transaction(caller.tenant) as transaction:
            agent, new = await put_agent(
                transaction,
                catalogue,
                tenant=caller.tenant,
                subject=caller.subject,
                agent_id=agent_id,
                definition=definition.model_dump(mode="json"),
                seen=seen_version(if_match),
                only_new=(if_none_match or "").strip() == "*",
            )
        response.status_code = 201 if new else 200
        response.headers["ETag"] = etag(agent.version)
        return views.agent(agent, [])

    @routes.get("/v1/agents/{agent_id}")
    async def get(caller: CallerDep, request: Request, response: Response, agent_id: str) -> dict[str, Any]:
        """Return an agent and what is known of its keys."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            agent = await store.get_agent(transaction.connection, caller.tenant, agent_id)
            if agent is None:
                raise no_agent()
            keys = await key_store.keys_of(transaction.connection, caller.tenant, agent_id)
        response.headers["ETag"] = etag(agent.version)
        return views.agent(agent, [views.key(key, catalogue, language(request)) for key in keys])
