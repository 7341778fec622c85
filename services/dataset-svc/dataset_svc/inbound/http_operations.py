"""What comes in by HTTP about operations: change many examples by one call, follow it, undo it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response

from chassis.auth import Caller
from chassis.database import Database, Transaction
from chassis.http import CallerDep, language
from chassis.idempotency import once
from dataset_svc.domain import problems
from dataset_svc.inbound import views
from dataset_svc.inbound.bulk_requests import Bulk
from dataset_svc.inbound.http import GOES_ON, Limit, Number
from dataset_svc.outbound import agent_store, operation_store, personal_store
from dataset_svc.usecases.change_examples import begin_change, count_change
from dataset_svc.usecases.undo_operation import undo_operation

SCOPES = {
    "POST /v1/datasets/{dataset_id}/examples/bulk": "curate",
    "GET /v1/datasets/{dataset_id}/operations": "dialogs:read",
    "GET /v1/operations/{operation_id}": "dialogs:read",
    "GET /v1/operations/{operation_id}/failures": "dialogs:read",
    "POST /v1/operations/{operation_id}/undo": "curate",
}
Key = Annotated[str, Header(alias="Idempotency-Key", max_length=300)]
FIRST_FAILURES = 20


def add_endpoints(routes: APIRouter, database: Database, wake: Callable[[], None]) -> None:
    """Add the endpoints of operations; `wake` makes the worker of this process look at once."""
    _add_reading(routes, database)

    @routes.post("/v1/datasets/{dataset_id}/examples/bulk", responses=GOES_ON)
    async def bulk(
        caller: CallerDep, dataset_id: UUID, wanted: Bulk, request: Request, response: Response, key: Key = ""
    ) -> dict[str, Any]:
        """Change many examples: 200 when it is done at once, 202 while it goes on; `dry_run` only counts."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if wanted.dry_run:
                count, unknown = await count_change(
                    transaction, tenant=caller.tenant, dataset_id=dataset_id, ids=wanted.ids,
                    wanted=wanted.meant(),
                )  # fmt: skip
                told = {"dry_run": True, "count": count, "unknown": [str(one) for one in unknown]}
                if wanted.action != "pseudonymise":
                    return told
                rows = await personal_store.count_found(
                    transaction.connection, caller.tenant, dataset_id, wanted.ids, wanted.meant()
                )
                return told | {"kinds": {row["kind"]: views.kind_count(row) for row in rows}}
            _, begun = await once(
                transaction.connection, tenant=caller.tenant, key=key, endpoint=f"bulk {dataset_id}",
                request=wanted.model_dump_json().encode(),
                act=lambda: _begin(transaction, caller, dataset_id, wanted),
            )  # fmt: skip
        wake()
        return await shown(database, caller.tenant, UUID(begun["operation_id"]), request, response)

    @routes.post("/v1/operations/{operation_id}/undo", responses=GOES_ON)
    async def undo(
        caller: CallerDep, operation_id: UUID, request: Request, response: Response
    ) -> dict[str, Any]:
        """Undo an operation: 200 when it is done at once, 202 while it goes on."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await undo_operation(
                transaction, tenant=caller.tenant, by=caller.subject, operation_id=operation_id
            )
        wake()
        return await shown(database, caller.tenant, operation_id, request, response)


def _add_reading(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/datasets/{dataset_id}/operations")
    async def list_operations(
        caller: CallerDep, dataset_id: UUID, limit: Limit = 50, cursor: UUID | None = None
    ) -> dict[str, Any]:
        """List what was done to the dataset's examples and can be undone, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await agent_store.get_dataset(transaction.connection, caller.tenant, dataset_id) is None:
                raise problems.no_dataset()
            rows = await operation_store.list_operations(
                transaction.connection, caller.tenant, dataset_id, cursor, limit + 1
            )
        return views.page(rows, limit, [views.operation(row) for row in rows], "id")

    @routes.get("/v1/operations/{operation_id}")
    async def get_operation(caller: CallerDep, operation_id: UUID, request: Request) -> dict[str, Any]:
        """Return how far an operation is, with the first of what it could not do."""
        return await shown(database, caller.tenant, operation_id, request, None)

    @routes.get("/v1/operations/{operation_id}/failures")
    async def list_failures(
        caller: CallerDep, operation_id: UUID, request: Request, limit: Limit = 50, cursor: Number = None
    ) -> dict[str, Any]:
        """List what an operation could not do, in order."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await operation_store.get(transaction.connection, caller.tenant, operation_id) is None:
                raise problems.no_operation()
            rows = await operation_store.list_failures(
                transaction.connection, caller.tenant, operation_id, cursor, limit + 1
            )
        items = [views.failure(row, language(request)) for row in rows]
        return views.page(rows, limit, items, "place")


async def shown(
    database: Database, tenant: str, operation_id: UUID, request: Request, response: Response | None
) -> dict[str, Any]:
    """Return an operation for a caller; sets 202 in the answer to a call that goes on."""
    async with database.tenant_transaction(tenant) as transaction:
        row = await operation_store.get(transaction.connection, tenant, operation_id)
        if row is None:
            raise problems.no_operation()
        failures = await operation_store.list_failures(
            transaction.connection, tenant, operation_id, None, FIRST_FAILURES
        )
    if response is not None and row["finished_at"] is None:
        response.status_code = 202
    return views.operation(row) | {"failures": [views.failure(one, language(request)) for one in failures]}


async def _begin(
    transaction: Transaction, caller: Caller, dataset_id: UUID, wanted: Bulk
) -> tuple[int, dict[str, Any]]:
    operation_id = await begin_change(
        transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id, action=wanted.action,
        arguments=wanted.arguments(), ids=wanted.ids, wanted=wanted.meant(),
    )  # fmt: skip
    return 202, {"operation_id": str(operation_id)}
