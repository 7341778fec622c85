"""What comes in by HTTP: base models and costs, runs, trained models, activation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import CallerDep, add_audit, language
from chassis.idempotency import once
from chassis.vault import Vault
from training_svc.domain.errors import no_run
from training_svc.inbound import http_catalogue, http_webhooks
from training_svc.inbound.http_webhooks import add_webhooks
from training_svc.inbound.views import event_view, model_view, run_view
from training_svc.outbound import agent_store, run_store
from training_svc.usecases.activate_model import activate_base, activate_model
from training_svc.usecases.cancel_run import cancel_run
from training_svc.usecases.refresh_run import refresh_run

SCOPES = http_webhooks.SCOPES | {
    "GET /v1/base-models": "dialogs:read",
    "POST /v1/estimates": "dialogs:read",
    "GET /v1/runs": "dialogs:read",
    "GET /v1/runs/{run_id}": "dialogs:read",
    "POST /v1/runs/{run_id}/refresh": "dialogs:read",
    "POST /v1/runs/{run_id}/cancel": "train",
    "GET /v1/runs/{run_id}/events": "dialogs:read",
    "GET /v1/models": "dialogs:read",
    "POST /v1/models/{model_id}/activate": "activate",
    "POST /v1/agents/{agent_id}/activate-base": "activate",
    "GET /v1/audit": "dialogs:read",
}
Limit = Annotated[int, Query(ge=1, le=200)]
Word = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]
AgentId = Annotated[str | None, Query(max_length=128, pattern=r"^[^\x00]*$")]
IdempotencyKey = Annotated[str, Header(alias="Idempotency-Key")]
VERSION = Field(ge=0, le=2**63 - 1)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ActivateBody(_Body):
    """Which share of the dialogs, and the route that the owner saw."""

    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    expected_route_version: Annotated[int, VERSION]
    reason: Word = "owner"


class ActivateBaseBody(_Body):
    """The route that the owner saw."""

    expected_route_version: Annotated[int, VERSION]
    reason: Word = "owner"


def router(
    database: Database, catalogue: Catalogue, vault: Vault, *, refresh_gap: float, wake: Callable[[], None]
) -> APIRouter:
    """Return the endpoints of training-svc."""
    routes = APIRouter()
    http_catalogue.add_endpoints(routes, database, catalogue)
    _add_runs(routes, database, refresh_gap, wake)
    _add_models(routes, database, catalogue)

    add_webhooks(routes, database, catalogue, vault, wake)
    add_audit(routes, database)

    return routes


def _add_runs(routes: APIRouter, database: Database, refresh_gap: float, wake: Callable[[], None]) -> None:
    @routes.get("/v1/runs")
    async def list_runs(
        request: Request,
        caller: CallerDep,
        agent_id: AgentId = None,
        limit: Limit = 50,
        cursor: UUID | None = None,
    ) -> dict[str, Any]:
        """List runs, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            runs = await run_store.of_agent(
                transaction.connection,
                caller.tenant,
                agent_id,
                status=None,
                before=str(cursor) if cursor else None,
                limit=limit,
            )
        items = [run_view(run, language(request)) for run in runs]
        return {"items": items, "next_cursor": items[-1]["run_id"] if len(items) == limit else None}

    @routes.get("/v1/runs/{run_id}")
    async def get_run(request: Request, caller: CallerDep, run_id: UUID) -> dict[str, Any]:
        """Return a run."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            run = await run_store.get(transaction.connection, caller.tenant, str(run_id))
        if run is None:
            raise no_run()
        return run_view(run, language(request))

    @routes.post("/v1/runs/{run_id}/refresh")
    async def refresh(request: Request, caller: CallerDep, run_id: UUID) -> dict[str, Any]:
        """Ask the provider now, at most once in a while, and return the run."""
        run = await refresh_run(
            database, tenant=caller.tenant, run_id=str(run_id), gap=refresh_gap, wake=wake
        )
        return run_view(run, language(request))

    @routes.post("/v1/runs/{run_id}/cancel", status_code=202)
    async def cancel(request: Request, caller: CallerDep, run_id: UUID) -> dict[str, Any]:
        """Ask for the run to be cancelled."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            run = await cancel_run(
                transaction, tenant=caller.tenant, subject=caller.subject, run_id=str(run_id)
            )
        wake()
        return run_view(run, language(request))

    @routes.get("/v1/runs/{run_id}/events")
    async def list_events(
        request: Request, caller: CallerDep, run_id: UUID, limit: Limit = 100
    ) -> dict[str, Any]:
        """List what the provider said on the way, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await run_store.get(transaction.connection, caller.tenant, str(run_id)) is None:
                raise no_run()
            rows = await run_store.events(transaction.connection, caller.tenant, str(run_id), limit)
        return {"items": [event_view(row, language(request)) for row in rows]}


def _add_models(routes: APIRouter, database: Database, catalogue: Catalogue) -> None:
    @routes.get("/v1/models")
    async def list_models(
        caller: CallerDep,
        agent_id: Annotated[str, Query(min_length=1, max_length=128, pattern=r"^[^\x00]*$")],
        limit: Limit = 50,
        cursor: UUID | None = None,
    ) -> dict[str, Any]:
        """List an agent's trained models, newest first, and what serves the agent now."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            connection, tenant = transaction.connection, caller.tenant
            runs = await run_store.of_agent(
                connection,
                tenant,
                agent_id,
                status="ready",
                before=str(cursor) if cursor else None,
                limit=limit,
            )
            route = await agent_store.get_route(connection, tenant, agent_id)
            agent = await agent_store.get_agent(connection, tenant, agent_id)
        items = [model_view(run, route, agent, catalogue) for run in runs]
        return {
            "items": items,
            "next_cursor": items[-1]["run_id"] if len(items) == limit else None,
            "route_version": route["route_version"] if route else 0,
        }

    @routes.post("/v1/models/{model_id}/activate", status_code=202)
    async def activate(
        caller: CallerDep, model_id: UUID, body: ActivateBody, idempotency_key: IdempotencyKey = ""
    ) -> JSONResponse:
        """Put a trained model into service with a share of the dialogs."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            status, answer = await once(
                transaction.connection,
                tenant=caller.tenant,
                key=idempotency_key,
                endpoint=f"activate {model_id}",
                request=body.model_dump_json().encode(),
                act=_accepted(
                    lambda: activate_model(
                        transaction,
                        tenant=caller.tenant,
                        subject=caller.subject,
                        model_id=str(model_id),
                        **body.model_dump(),
                    )
                ),
            )
        return JSONResponse(answer, status)

    @routes.post("/v1/agents/{agent_id}/activate-base", status_code=202)
    async def activate_base_model(
        caller: CallerDep,
        agent_id: Annotated[str, Path(max_length=128, pattern=r"^[^\x00]*$")],
        body: ActivateBaseBody,
        idempotency_key: IdempotencyKey = "",
    ) -> JSONResponse:
        """Put the agent's base model back into service."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            status, answer = await once(
                transaction.connection,
                tenant=caller.tenant,
                key=idempotency_key,
                endpoint=f"activate-base {agent_id}",
                request=body.model_dump_json().encode(),
                act=_accepted(
                    lambda: activate_base(
                        transaction,
                        tenant=caller.tenant,
                        subject=caller.subject,
                        agent_id=agent_id,
                        **body.model_dump(),
                    )
                ),
            )
        return JSONResponse(answer, status)


def _accepted(
    activate: Callable[[], Awaitable[str]],
) -> Callable[[], Awaitable[tuple[int, dict[str, Any]]]]:
    async def act() -> tuple[int, dict[str, Any]]:
        return 202, {"activation_id": await activate()}

    return act
