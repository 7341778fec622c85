"""What comes in by HTTP about provider keys."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agent_svc.domain.errors import no_agent, no_key, no_provider
from agent_svc.inbound import views
from agent_svc.outbound import agent_store as store
from agent_svc.outbound.provider import Provider
from agent_svc.usecases.note_key import note_infer
from agent_svc.usecases.publish_agent import publish_agent
from agent_svc.usecases.put_key import put_key
from chassis import audit
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import CallerDep
from chassis.vault import SecretId, Vault

SCOPES = {
    "PUT /v1/agents/{agent_id}/keys/{provider}": "keys:write",
    "DELETE /v1/agents/{agent_id}/keys/{provider}": "keys:write",
    "POST /v1/agents/{agent_id}/keys/{provider}/check": "keys:write",
}


class NewKey(BaseModel):
    """A provider key, pasted once."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: SecretStr = Field(min_length=8, max_length=512)


def add_endpoints(
    routes: APIRouter, database: Database, vault: Vault, catalogue: Catalogue, provider: Provider
) -> None:
    """Add the endpoints of keys."""

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
        return views.key(key)

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
        return views.key(fresh or key)
