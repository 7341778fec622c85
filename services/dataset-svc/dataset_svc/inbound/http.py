"""What comes in by HTTP about datasets and examples."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from chassis.database import Database
from chassis.http import CallerDep, add_audit, language
from chassis.objects import ObjectStore
from dataset_svc.domain import problems
from dataset_svc.inbound import views
from dataset_svc.inbound.requests import NewExample, Patch
from dataset_svc.outbound import agent_store, candidate_store, example_store
from dataset_svc.usecases.edit_example import discard_draft, edit_example
from dataset_svc.usecases.open_example import open_from_dialog, open_from_messages
from dataset_svc.usecases.save_example import remove_example, save_example

SCOPES = {
    "GET /v1/datasets": "dialogs:read",
    "GET /v1/datasets/{dataset_id}/summary": "dialogs:read",
    "GET /v1/datasets/{dataset_id}/examples": "dialogs:read",
    "POST /v1/datasets/{dataset_id}/examples": "curate",
    "GET /v1/examples/{example_id}": "dialogs:read",
    "PATCH /v1/examples/{example_id}": "curate",
    "DELETE /v1/examples/{example_id}": "curate",
    "POST /v1/examples/{example_id}/save": "curate",
    "POST /v1/examples/{example_id}/discard": "curate",
    "GET /v1/examples/{example_id}/revisions": "dialogs:read",
    "GET /v1/audit": "dialogs:read",
}
Limit = Annotated[int, Query(ge=1, le=200)]
Number = Annotated[int | None, Query(ge=1, le=2**63 - 1)]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=100)]
_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"\Z')
_STATUS = {"created": 201, "existing": 200, "pending": 202}


def add_endpoints(routes: APIRouter, database: Database, objects: ObjectStore) -> None:
    """Add the endpoints of datasets and examples."""
    _add_datasets(routes, database, objects)
    _add_reading(routes, database)
    _add_changing(routes, database)


def seen_revision(if_match: str | None, *, required: bool = False) -> int | None:
    """Return the draft revision that the caller saw; raises a 428 Problem when it must say and does not."""
    if if_match is None or if_match.strip() == "*":
        if required and if_match is None:
            raise problems.if_match_required()
        return None
    match = _ETAG.match(if_match.strip())
    if match is None:
        raise problems.if_match_required()
    return int(match[1])


def _add_datasets(routes: APIRouter, database: Database, objects: ObjectStore) -> None:
    @routes.get("/v1/datasets")
    async def list_datasets(
        caller: CallerDep,
        agent_id: Annotated[str | None, Query(max_length=128)] = None,
        limit: Limit = 50,
        cursor: UUID | None = None,
    ) -> dict[str, Any]:
        """List datasets; there is one per agent."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            rows = await agent_store.list_datasets(
                transaction.connection, caller.tenant, agent_id, cursor, limit + 1
            )
        return views.page(rows, limit, [views.dataset(row) for row in rows], "id")

    @routes.get("/v1/datasets/{dataset_id}/summary")
    async def summary(caller: CallerDep, dataset_id: UUID) -> dict[str, Any]:
        """Return counts, tokens and how many answers teach."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            dataset = await agent_store.get_dataset(transaction.connection, caller.tenant, dataset_id)
            if dataset is None:
                raise problems.no_dataset()
            found = await example_store.summary(transaction.connection, caller.tenant, dataset_id)
        return views.dataset(dataset) | dict(found)

    @routes.post("/v1/datasets/{dataset_id}/examples")
    async def open_example(
        caller: CallerDep, dataset_id: UUID, wanted: NewExample, response: Response
    ) -> dict[str, Any]:
        """Take a dialog's revision, or messages, as an example."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if wanted.dialog_id is None:
                opened = await open_from_messages(
                    transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id,
                    messages=wanted.written(),
                )  # fmt: skip
            else:
                opened = await open_from_dialog(
                    transaction, objects, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id,
                    dialog_id=wanted.dialog_id, revision=wanted.revision or 1,
                )  # fmt: skip
        response.status_code = _STATUS[opened.how]
        return {
            "id": str(opened.id),
            "existing": opened.how == "existing",
            "pending": opened.how == "pending",
            "dialog_id": wanted.dialog_id,
        }


def _add_reading(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/datasets/{dataset_id}/examples")
    async def list_examples(
        caller: CallerDep,
        dataset_id: UUID,
        state: Literal["draft", "saved", "removed"] | None = None,
        limit: Limit = 50,
        cursor: UUID | None = None,
    ) -> dict[str, Any]:
        """List examples, newest first; without `state` all but the removed."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await agent_store.get_dataset(transaction.connection, caller.tenant, dataset_id) is None:
                raise problems.no_dataset()
            rows = await example_store.list_examples(
                transaction.connection, caller.tenant, dataset_id, state, cursor, limit + 1
            )
        items = [views.example_item(row) | {"tokens": row["tokens"]} for row in rows]
        return views.page(rows, limit, items, "id")

    @routes.get("/v1/examples/{example_id}")
    async def get_example(
        caller: CallerDep, example_id: UUID, request: Request, response: Response
    ) -> dict[str, Any]:
        """Return the working copy; 202 while its revision has not arrived."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            row = await example_store.get(transaction.connection, caller.tenant, example_id)
            if row is None:
                if not await candidate_store.is_pending(transaction.connection, caller.tenant, example_id):
                    raise problems.no_example()
                response.status_code = 202
                return {"id": str(example_id), "state": "pending"}
        response.headers["ETag"] = problems.etag(row["draft_revision"])
        return views.example(row, language(request))

    @routes.get("/v1/examples/{example_id}/revisions")
    async def list_revisions(
        caller: CallerDep, example_id: UUID, limit: Limit = 50, cursor: Number = None
    ) -> dict[str, Any]:
        """List saved revisions, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await example_store.get(transaction.connection, caller.tenant, example_id) is None:
                raise problems.no_example()
            rows = await example_store.list_revisions(
                transaction.connection, caller.tenant, example_id, cursor, limit + 1
            )
        return views.page(rows, limit, [views.revision(row) for row in rows], "revision")

    add_audit(routes, database)


def _add_changing(routes: APIRouter, database: Database) -> None:
    async def shown(tenant: str, example_id: UUID, request: Request, response: Response) -> dict[str, Any]:
        async with database.tenant_transaction(tenant) as transaction:
            row = await example_store.get(transaction.connection, tenant, example_id)
        if row is None:
            raise problems.no_example()
        response.headers["ETag"] = problems.etag(row["draft_revision"])
        return views.example(row, language(request))

    @routes.patch("/v1/examples/{example_id}")
    async def patch_example(
        caller: CallerDep,
        example_id: UUID,
        patch: Patch,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Apply operations to the working copy that the caller saw."""
        seen = seen_revision(if_match, required=True)
        async with database.tenant_transaction(caller.tenant) as transaction:
            await edit_example(
                transaction, tenant=caller.tenant, by=caller.subject, example_id=example_id, seen=seen,
                operations=[one.operation() for one in patch.operations],
            )  # fmt: skip
        return await shown(caller.tenant, example_id, request, response)

    @routes.post("/v1/examples/{example_id}/save")
    async def save(
        caller: CallerDep, example_id: UUID, request: Request, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Put the working copy into the dataset as its next revision."""
        seen = seen_revision(if_match)
        async with database.tenant_transaction(caller.tenant) as transaction:
            await save_example(
                transaction, tenant=caller.tenant, by=caller.subject, example_id=example_id, seen=seen,
                language=language(request),
            )  # fmt: skip
        return await shown(caller.tenant, example_id, request, response)

    @routes.post("/v1/examples/{example_id}/discard")
    async def discard(
        caller: CallerDep, example_id: UUID, request: Request, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Go back to what was saved last, or to the original."""
        seen = seen_revision(if_match)
        async with database.tenant_transaction(caller.tenant) as transaction:
            await discard_draft(
                transaction, tenant=caller.tenant, by=caller.subject, example_id=example_id, seen=seen
            )
        return await shown(caller.tenant, example_id, request, response)

    @routes.delete("/v1/examples/{example_id}", status_code=204)
    async def remove(caller: CallerDep, example_id: UUID, if_match: IfMatch = None) -> None:
        """Take the example out of the dataset."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await remove_example(
                transaction, tenant=caller.tenant, by=caller.subject, example_id=example_id,
                seen=seen_revision(if_match),
            )  # fmt: skip
