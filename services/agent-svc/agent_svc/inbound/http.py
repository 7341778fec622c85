"""What comes in by HTTP: agents, their keys and routes."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agent_svc.domain.agent import Agent, Key
from agent_svc.domain.errors import no_agent, no_key, no_provider, no_version
from agent_svc.inbound import gateway
from agent_svc.outbound import agent_store as store
from agent_svc.outbound import route_store
from agent_svc.outbound.chat import Models
from agent_svc.outbound.provider import Provider
from agent_svc.usecases.activate_route import roll_back
from agent_svc.usecases.note_key import note_infer
from agent_svc.usecases.publish_agent import publish_agent
from agent_svc.usecases.put_agent import put_agent
from agent_svc.usecases.put_key import put_key
from chassis import audit
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import CallerDep, add_audit
from chassis.vault import SecretId, Vault
from contracts.agents import Tool

SCOPES = gateway.SCOPES | {
    "GET /v1/agents": "dialogs:read",
    "PUT /v1/agents/{agent_id}": "agents:write",
    "GET /v1/agents/{agent_id}": "dialogs:read",
    "GET /v1/agents/{agent_id}/versions": "dialogs:read",
    "GET /v1/agents/{agent_id}/versions/{version}": "dialogs:read",
    "PUT /v1/agents/{agent_id}/keys/{provider}": "keys:write",
    "DELETE /v1/agents/{agent_id}/keys/{provider}": "keys:write",
    "POST /v1/agents/{agent_id}/keys/{provider}/check": "keys:write",
    "GET /v1/agents/{agent_id}/route": "dialogs:read",
    "POST /v1/agents/{agent_id}/rollback": "activate",
    "GET /v1/audit": "dialogs:read",
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


class NewKey(BaseModel):
    """A provider key, pasted once."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: SecretStr = Field(min_length=8, max_length=512)


def router(
    database: Database,
    vault: Vault,
    catalogue: Catalogue,
    provider: Provider,
    models: Models,
    recorder: gateway.Recorder,
) -> APIRouter:
    """Return the endpoints of agent-svc."""
    routes = APIRouter()
    gateway.add_gateway(routes, database, vault, catalogue, models, recorder)
    _add_agents(routes, database, catalogue)
    _add_keys(routes, database, vault, catalogue, provider)
    _add_routes(routes, database)
    return routes


def _add_agents(routes: APIRouter, database: Database, catalogue: Catalogue) -> None:
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
        return _agent(agent, [])

    @routes.get("/v1/agents/{agent_id}")
    async def get(caller: CallerDep, agent_id: str) -> dict[str, Any]:
        """Return an agent and what is known of its keys."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            agent = await store.get_agent(transaction.connection, caller.tenant, agent_id)
            if agent is None:
                raise no_agent()
            keys = await store.keys_of(transaction.connection, caller.tenant, agent_id)
        return _agent(agent, keys)

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


def _add_keys(
    routes: APIRouter, database: Database, vault: Vault, catalogue: Catalogue, provider: Provider
) -> None:
    @routes.put("/v1/agents/{agent_id}/keys/{provider}")
    async def put(caller: CallerDep, agent_id: str, provider: str, new: NewKey) -> dict[str, Any]:
        """Take a provider key in; it is never shown again."""
        if catalogue.provider(provider) is None:
            raise no_provider()
        async with database.tenant_transaction(caller.tenant) as transaction:
            key = await put_key(
                transaction,
                vault,
                tenant=caller.tenant,
                subject=caller.subject,
                agent_id=agent_id,
                provider=provider,
                secret=new.key.get_secret_value(),
            )
        return _key(key)

    @routes.delete("/v1/agents/{agent_id}/keys/{provider}", status_code=204)
    async def delete(caller: CallerDep, agent_id: str, provider: str) -> None:
        """Take the key from the agent."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await store.lock_agent(transaction.connection, caller.tenant, agent_id)
            if await store.get_agent(transaction.connection, caller.tenant, agent_id) is None:
                raise no_agent()
            if not await store.unbind_key(transaction.connection, caller.tenant, agent_id, provider):
                raise no_key()
            await publish_agent(transaction, caller.tenant, agent_id)
            await audit.record(
                transaction.connection,
                tenant=caller.tenant,
                subject=caller.subject,
                action="key.deleted",
                object_id=agent_id,
                provider=provider,
            )

    asked = provider

    @routes.post("/v1/agents/{agent_id}/keys/{provider}/check")
    async def check(caller: CallerDep, agent_id: str, provider: str) -> dict[str, Any]:
        """Ask the provider whether it takes the key; nothing is uploaded."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await store.get_agent(transaction.connection, caller.tenant, agent_id) is None:
                raise no_agent()
            keys = await store.keys_of(transaction.connection, caller.tenant, agent_id)
            key = next((one for one in keys if one.provider == provider), None)
            if key is None:
                raise no_key()
            secret = await vault.get(transaction.connection, SecretId(caller.tenant, key.key_id, key.version))
        address = await asyncio.to_thread(catalogue.address, provider)
        status = await asked.check(address, secret or "")
        infer = {200: "yes", 401: "no"}.get(status, "unverified")
        async with database.tenant_transaction(caller.tenant) as transaction:
            await note_infer(transaction, tenant=caller.tenant, key_id=key.key_id, infer=infer)
            fresh = await store.get_key(transaction.connection, caller.tenant, key.key_id)
        return _key(fresh or key)


def _add_routes(routes: APIRouter, database: Database) -> None:
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

    add_audit(routes, database)


def _agent(agent: Agent, keys: list[Key]) -> dict[str, Any]:
    return {
        "agent_id": agent.agent_id,
        "version": agent.version,
        "fingerprint": agent.fingerprint,
        "updated_at": agent.updated_at.isoformat(),
        **agent.definition,
        "keys": [_key(key) for key in keys],
    }


def _key(key: Key) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "provider": key.provider,
        "version": key.version,
        "last4": key.last4,
        "fingerprint": key.fingerprint,
        "training": key.training,
        "infer": key.infer,
        "because": key.because,
        "checked_at": key.checked_at.isoformat() if key.checked_at else None,
    }
