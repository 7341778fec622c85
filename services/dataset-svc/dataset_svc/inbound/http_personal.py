"""What comes in by HTTP about personal data: which pseudonyms would be given, what is allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import Field

from chassis.database import Database
from chassis.http import CallerDep, language
from contracts.event import NO_NUL
from dataset_svc.domain import problems
from dataset_svc.domain.personal import Kind
from dataset_svc.inbound import personal_views, requests, views
from dataset_svc.inbound.http import Limit
from dataset_svc.outbound import agent_store, example_store, personal_store
from dataset_svc.usecases.allow_value import allow_value, disallow_value
from dataset_svc.usecases.pseudonymise_example import preview_of

SCOPES = {
    "GET /v1/examples/{example_id}/personal-data": "dialogs:read",
    "GET /v1/datasets/{dataset_id}/allowed-values": "dialogs:read",
    "POST /v1/datasets/{dataset_id}/allowed-values": "curate",
    "DELETE /v1/datasets/{dataset_id}/allowed-values/{value_id}": "curate",
}


class AllowedIn(requests.Request):
    """A value that is no finding: as it stands in a message, alone; `kind` where only words would tell it."""

    text: Annotated[str, Field(min_length=1, max_length=256, pattern=NO_NUL)]
    kind: Kind | None = None
    why: Annotated[str, Field(min_length=1, max_length=1_000, pattern=NO_NUL)]


def add_endpoints(routes: APIRouter, database: Database, wake: Callable[[], None]) -> None:
    """Add the endpoints of personal data; `wake` makes the checker of this process look at once."""
    _add_preview(routes, database)

    @routes.get("/v1/datasets/{dataset_id}/allowed-values")
    async def list_allowed(
        caller: CallerDep, dataset_id: UUID, limit: Limit = 50, cursor: UUID | None = None
    ) -> dict[str, Any]:
        """List the values that are no finding in this dataset."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            connection = transaction.connection
            if await agent_store.get_dataset(connection, caller.tenant, dataset_id) is None:
                raise problems.no_dataset()
            rows = await personal_store.list_allowed(connection, caller.tenant, dataset_id, cursor, limit + 1)
        return views.page(rows, limit, [personal_views.allowed(row) for row in rows], "id")

    @routes.post("/v1/datasets/{dataset_id}/allowed-values", status_code=201)
    async def allow(caller: CallerDep, dataset_id: UUID, wanted: AllowedIn) -> dict[str, Any]:
        """Let a value be no finding in the whole dataset."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            row = await allow_value(
                transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id,
                **wanted.model_dump(),
            )  # fmt: skip
        wake()
        return personal_views.allowed(row)

    @routes.delete("/v1/datasets/{dataset_id}/allowed-values/{value_id}", status_code=204)
    async def disallow(caller: CallerDep, dataset_id: UUID, value_id: UUID) -> None:
        """Let a value be a finding again."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await disallow_value(
                transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id, value_id=value_id
            )
        wake()


def _add_preview(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/examples/{example_id}/personal-data")
    async def preview(
        caller: CallerDep, example_id: UUID, request: Request, response: Response
    ) -> dict[str, Any]:
        """Return the personal data of the working copy with the pseudonyms that the fix would give it.

        The ETag is the working copy's: sent with the fix, what was seen is what is done.
        """
        async with database.tenant_transaction(caller.tenant) as transaction:
            row = await example_store.get(transaction.connection, caller.tenant, example_id)
            if row is None:
                raise problems.no_example()
            seen = await preview_of(transaction.connection, caller.tenant, row)
        response.headers["ETag"] = problems.etag(row["draft_revision"])
        return personal_views.preview(row, seen, language(request))
