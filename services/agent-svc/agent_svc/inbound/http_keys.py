"""What comes in by HTTP about provider keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from agent_svc.domain.errors import address_incomplete, no_agent, no_key, no_provider
from agent_svc.domain.key import Key
from agent_svc.inbound import views
from agent_svc.outbound import agent_store, key_store
from agent_svc.usecases import put_key as keys
from agent_svc.usecases.check_keys import KeyChecks
from agent_svc.usecases.note_key import note_probe
from chassis import audit
from chassis.auth import Caller
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import CallerDep, language
from chassis.vault import SecretId, Vault
from contracts.event import NO_NUL

SCOPES = {
    "PUT /v1/agents/{agent_id}/keys/{provider}": "keys:write",
    "DELETE /v1/agents/{agent_id}/keys/{provider}": "keys:write",
    "POST /v1/agents/{agent_id}/keys/{provider}/check": "keys:write",
}
VariableName = Annotated[str, Field(min_length=1, max_length=32, pattern=NO_NUL)]
VariableValue = Annotated[str, Field(pattern=r"^[a-z0-9-]{2,64}$")]
ModelName = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]


class NewKey(BaseModel):
    """A provider key, pasted once.

    `accept_loss`: the models that may stop answering by it, as the refusal named them; needed also
    (empty) for a key of another organisation. `variables`: what the provider's address needs, by the
    catalogue's names.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: SecretStr = Field(min_length=8, max_length=512)
    accept_loss: list[ModelName] | None = Field(None, max_length=64)
    variables: dict[VariableName, VariableValue] = Field(default_factory=dict, max_length=16)


def add_endpoints(
    routes: APIRouter, database: Database, vault: Vault, catalogue: Catalogue, checks: KeyChecks
) -> None:
    """Add the endpoints of keys."""

    @routes.put("/v1/agents/{agent_id}/keys/{provider}")
    async def put(
        caller: CallerDep, request: Request, agent_id: str, provider: str, new: NewKey
    ) -> dict[str, Any]:
        """Take a provider key in, after asking the provider of it; it is never shown again."""
        entry = catalogue.provider(provider)
        if entry is None or entry.base_url is None:
            raise no_provider()
        if set(new.variables) != set(entry.variables):
            raise address_incomplete(sorted(entry.variables))
        secret = new.key.get_secret_value()
        async with database.tenant_transaction(caller.tenant) as transaction:
            serving = await keys.serving_by_key(transaction.connection, caller.tenant, agent_id, provider)
        probe = await checks.provider.probe(entry, new.variables, secret, serving)
        async with database.tenant_transaction(caller.tenant) as transaction:
            key = await keys.put_key(
                transaction,
                vault,
                catalogue,
                keys.NewKey(secret, probe, new.variables, new.accept_loss),
                tenant=caller.tenant,
                subject=caller.subject,
                agent_id=agent_id,
                provider=provider,
            )
        return views.key(key, catalogue, language(request))

    @routes.delete("/v1/agents/{agent_id}/keys/{provider}", status_code=204)
    async def delete(caller: CallerDep, agent_id: str, provider: str) -> None:
        """Take the key from the agent."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            had = await keys.remove_key(
                transaction,
                catalogue,
                tenant=caller.tenant,
                subject=caller.subject,
                agent_id=agent_id,
                provider=provider,
            )
            if not had:
                raise no_key()

    @routes.post("/v1/agents/{agent_id}/keys/{provider}/check")
    async def check(caller: CallerDep, request: Request, agent_id: str, provider: str) -> dict[str, Any]:
        """Ask the provider whether it takes the key and what it may do; nothing is uploaded."""
        key = await _check(database, vault, catalogue, checks, caller, agent_id, provider)
        return views.key(key, catalogue, language(request))


async def _check(
    database: Database,
    vault: Vault,
    catalogue: Catalogue,
    checks: KeyChecks,
    caller: Caller,
    agent_id: str,
    provider: str,
) -> Key:
    async with database.tenant_transaction(caller.tenant) as transaction:
        if await agent_store.get_agent(transaction.connection, caller.tenant, agent_id) is None:
            raise no_agent()
        key = await key_store.key_at(transaction.connection, caller.tenant, agent_id, provider)
        if key is None:
            raise no_key()
        place = SecretId(caller.tenant, key.key_id, key.version)
        secret = await vault.get(transaction.connection, place)
    probe = await checks.ask(caller.tenant, key, secret or "")
    async with database.tenant_transaction(caller.tenant) as transaction:
        found = await note_probe(
            transaction,
            catalogue,
            tenant=caller.tenant,
            seen=key,
            probe=probe,
            now=datetime.now(UTC),
            by_hand=True,
        )
        await audit.record(
            transaction.connection, tenant=caller.tenant, subject=caller.subject, action="key.checked",
            object_id=agent_id, provider=provider,
        )  # fmt: skip
    return found
