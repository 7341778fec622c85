"""What comes in by HTTP about webhooks: their addresses, and the reports of providers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import SIGNED, CallerDep
from chassis.vault import Vault
from training_svc.domain.errors import no_webhooks_there
from training_svc.outbound import webhook_store
from training_svc.usecases.keep_webhooks import add_webhook, remove_webhook, set_secret
from training_svc.usecases.note_report import note_report

SCOPES = {
    "GET /v1/hooks": "keys:write",
    "POST /v1/hooks": "keys:write",
    "PUT /v1/hooks/{hook_id}/secret": "keys:write",
    "DELETE /v1/hooks/{hook_id}": "keys:write",
    "POST /v1/webhooks/{provider}": SIGNED,
}
ProviderName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


class HookBody(BaseModel):
    """Whose reports are wanted."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    provider: ProviderName


class SecretBody(BaseModel):
    """The signing secret, pasted once."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secret: SecretStr = Field(min_length=8, max_length=512)


def add_webhooks(
    routes: APIRouter, database: Database, catalogue: Catalogue, vault: Vault, wake: Callable[[], None]
) -> None:
    """Add the endpoints."""
    _add_hooks(routes, database, catalogue, vault)

    @routes.post("/v1/webhooks/{provider}", openapi_extra={"security": []})
    async def take_report(request: Request, provider: str, hook: Annotated[UUID, Query()]) -> dict[str, Any]:
        """Take a provider's report; the signature of the raw body is checked by the hook's secret.

        A report makes the job's run due now: the provider is asked, whatever the report says.
        """
        body = await request.body()
        due = await note_report(
            database, vault, provider=provider, hook_id=str(hook), headers=request.headers, body=body
        )
        if due:
            wake()
        return {"due": due}


def _add_hooks(routes: APIRouter, database: Database, catalogue: Catalogue, vault: Vault) -> None:
    @routes.get("/v1/hooks")
    async def list_hooks(caller: CallerDep) -> dict[str, Any]:
        """List the addresses that providers report to, oldest first: at most 20."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            found = await webhook_store.all_of(transaction.connection, caller.tenant)
        items = [one | {"path": _path(one["provider"], str(one["hook_id"]))} for one in found]
        return {"items": items, "next_cursor": None}

    @routes.post("/v1/hooks", status_code=201)
    async def add_hook(caller: CallerDep, body: HookBody) -> dict[str, Any]:
        """Make an address; give it to the provider, and the provider's secret to `PUT …/secret`."""
        entry = catalogue.provider(body.provider)
        if entry is None or not entry.capabilities.webhooks:
            raise no_webhooks_there()
        async with database.tenant_transaction(caller.tenant) as transaction:
            hook_id = await add_webhook(
                transaction, tenant=caller.tenant, subject=caller.subject, provider=body.provider
            )
        return {"hook_id": hook_id, "provider": body.provider, "path": _path(body.provider, hook_id)}

    @routes.put("/v1/hooks/{hook_id}/secret", status_code=204)
    async def put_secret(caller: CallerDep, hook_id: UUID, body: SecretBody) -> Response:
        """Seal the provider's signing secret; it is never shown again."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await set_secret(
                transaction,
                vault,
                tenant=caller.tenant,
                subject=caller.subject,
                hook_id=str(hook_id),
                secret=body.secret.get_secret_value(),
            )
        return Response(status_code=204)

    @routes.delete("/v1/hooks/{hook_id}", status_code=204)
    async def delete_hook(caller: CallerDep, hook_id: UUID) -> Response:
        """Remove an address."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await remove_webhook(
                transaction, tenant=caller.tenant, subject=caller.subject, hook_id=str(hook_id)
            )
        return Response(status_code=204)


def _path(provider: str, hook_id: str) -> str:
    return f"/v1/webhooks/{provider}?hook={hook_id}"
