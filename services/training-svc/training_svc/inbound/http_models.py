"""HTTP: models, what they came from, how two compare, and putting one into service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from chassis.auth import Caller
from chassis.catalogue import Catalogue
from chassis.database import Database, Transaction
from chassis.http import CallerDep, language
from chassis.idempotency import once
from training_svc.domain.errors import no_model
from training_svc.inbound.model_views import comparison, model_view
from training_svc.inbound.parameters import (
    Body,
    Cursor,
    IdempotencyKey,
    Limit,
    Word,
    make_cursor,
    read_cursor,
)
from training_svc.outbound import agent_store, model_store, run_store
from training_svc.usecases.activate_model import activate_base, activate_model
from training_svc.usecases.read_models import read_model
from training_svc.usecases.register_model import register_model

VERSION = Field(ge=0, le=2**63 - 1)
AgentName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]


class RegisterBody(Body):
    """A model that was made elsewhere: with a file taken away, or deployed under a name of its own."""

    agent_id: AgentName
    provider: Word
    model: Word
    base_model: Word | None = None
    run_id: UUID | None = None


class ActivateBody(Body):
    """Which share of the dialogs, what answers when the model does not, and the route that the owner saw."""

    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    fallback_model_id: Annotated[UUID | None, Field(description="without it, the model's base")] = None
    expected_route_version: Annotated[int, VERSION]
    reason: Word = "owner"


class ActivateBaseBody(Body):
    """The route that the owner saw."""

    expected_route_version: Annotated[int, VERSION]
    reason: Word = "owner"


def add_endpoints(routes: APIRouter, database: Database, catalogue: Catalogue) -> None:
    """Add the endpoints about models."""
    _add_reading(routes, database, catalogue)
    _add_registering(routes, database, catalogue)
    _add_activating(routes, database)


def _add_reading(routes: APIRouter, database: Database, catalogue: Catalogue) -> None:
    @routes.get("/v1/models")
    async def list_models(
        request: Request,
        caller: CallerDep,
        agent_id: Annotated[str, Query(min_length=1, max_length=128, pattern=r"^[^\x00]*$")],
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> dict[str, Any]:
        """List an agent's models, newest first, checkpoints among them, and what serves the agent now."""
        place, tenant = read_cursor(cursor), caller.tenant
        async with database.tenant_transaction(tenant) as transaction:
            connection = transaction.connection
            models = await model_store.of_agent(connection, tenant, agent_id, before=place, limit=limit)
            runs = await run_store.by_ids(connection, tenant, [one.run_id for one in models if one.run_id])
            route = await agent_store.get_route(connection, tenant, agent_id)
            agent = await agent_store.get_agent(connection, tenant, agent_id)
        spoken = language(request)
        items = [
            model_view(one, runs.get(one.run_id or ""), route, agent, catalogue, spoken) for one in models
        ]
        following = make_cursor(models[-1].created_at, models[-1].model_id) if len(models) == limit else None
        version = route["route_version"] if route else 0
        return {"items": items, "next_cursor": following, "route_version": version}

    @routes.get("/v1/models/compare")
    async def compare_models(request: Request, caller: CallerDep, a: UUID, b: UUID) -> dict[str, Any]:
        """Hold two models against each other, with the calls of other services that tell the rest."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            known = [await read_model(transaction.connection, caller.tenant, str(one)) for one in (a, b)]
        if known[0] is None or known[1] is None:
            raise no_model()
        return comparison(known[0], known[1], catalogue, language(request))

    @routes.get("/v1/models/{model_id}")
    async def get_model(request: Request, caller: CallerDep, model_id: UUID) -> dict[str, Any]:
        """Return a model."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            known = await read_model(transaction.connection, caller.tenant, str(model_id))
        if known is None:
            raise no_model()
        return model_view(known.model, known.run, known.route, known.agent, catalogue, language(request))


def _add_registering(routes: APIRouter, database: Database, catalogue: Catalogue) -> None:
    @routes.post("/v1/models", status_code=201)
    async def register(
        caller: CallerDep, body: RegisterBody, idempotency_key: IdempotencyKey = ""
    ) -> JSONResponse:
        """Register a model that was made elsewhere, so that it can be put into service."""
        wanted = body.model_dump(mode="json")

        async def act(transaction: Transaction) -> tuple[int, dict[str, Any]]:
            model_id = await register_model(
                transaction, tenant=caller.tenant, subject=caller.subject, catalogue=catalogue, **wanted
            )
            return 201, {"model_id": model_id}

        return await _answer_once(database, caller, idempotency_key, "register model", body, act)


def _add_activating(routes: APIRouter, database: Database) -> None:
    @routes.post("/v1/models/{model_id}/activate", status_code=202)
    async def activate(
        caller: CallerDep, model_id: UUID, body: ActivateBody, idempotency_key: IdempotencyKey = ""
    ) -> JSONResponse:
        """Put a model into service with a share of the dialogs."""

        async def act(transaction: Transaction) -> tuple[int, dict[str, Any]]:
            return 202, {
                "activation_id": await activate_model(
                    transaction,
                    tenant=caller.tenant,
                    subject=caller.subject,
                    model_id=str(model_id),
                    share=body.share,
                    expected_route_version=body.expected_route_version,
                    reason=body.reason,
                    fallback_model_id=str(body.fallback_model_id) if body.fallback_model_id else None,
                )
            }

        return await _answer_once(database, caller, idempotency_key, f"activate {model_id}", body, act)

    @routes.post("/v1/agents/{agent_id}/activate-base", status_code=202)
    async def activate_base_model(
        caller: CallerDep,
        agent_id: Annotated[str, Path(max_length=128, pattern=r"^[^\x00]*$")],
        body: ActivateBaseBody,
        idempotency_key: IdempotencyKey = "",
    ) -> JSONResponse:
        """Put the agent's base model back into service."""

        async def act(transaction: Transaction) -> tuple[int, dict[str, Any]]:
            return 202, {
                "activation_id": await activate_base(
                    transaction,
                    tenant=caller.tenant,
                    subject=caller.subject,
                    agent_id=agent_id,
                    **body.model_dump(),
                )
            }

        return await _answer_once(database, caller, idempotency_key, f"activate-base {agent_id}", body, act)


async def _answer_once(
    database: Database,
    caller: Caller,
    key: str,
    endpoint: str,
    body: Body,
    act: Callable[[Transaction], Awaitable[tuple[int, dict[str, Any]]]],
) -> JSONResponse:
    """Act in one transaction and answer; the same request with the same key gets the same answer."""
    async with database.tenant_transaction(caller.tenant) as transaction:
        status, answer = await once(
            transaction.connection,
            tenant=caller.tenant,
            key=key,
            endpoint=endpoint,
            request=body.model_dump_json().encode(),
            act=lambda: act(transaction),
        )
    return JSONResponse(answer, status)
