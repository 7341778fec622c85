"""What comes in by HTTP about one example: read it, change its working copy, save, remove, go back."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response

from chassis.database import Database
from chassis.http import CallerDep, language
from chassis.objects import ObjectStore
from dataset_svc.domain import problems
from dataset_svc.inbound import views
from dataset_svc.inbound.edit_requests import Patch, Revert
from dataset_svc.inbound.http import GOES_ON, Limit, Number
from dataset_svc.outbound import candidate_store, example_store, revision_store
from dataset_svc.usecases.edit_example import discard_draft, edit_example, lock_example, revert_example
from dataset_svc.usecases.extend_example import extend_example
from dataset_svc.usecases.save_example import remove_example, restore_example, save_example
from dataset_svc.usecases.step_back import step_back
from dataset_svc.usecases.undo_operation import remember

SCOPES = {
    "GET /v1/examples/{example_id}": "dialogs:read",
    "PATCH /v1/examples/{example_id}": "curate",
    "DELETE /v1/examples/{example_id}": "curate",
    "POST /v1/examples/{example_id}/save": "curate",
    "POST /v1/examples/{example_id}/discard": "curate",
    "POST /v1/examples/{example_id}/revert": "curate",
    "POST /v1/examples/{example_id}/restore": "curate",
    "POST /v1/examples/{example_id}/undo": "curate",
    "POST /v1/examples/{example_id}/redo": "curate",
    "POST /v1/examples/{example_id}/extend": "curate",
    "GET /v1/examples/{example_id}/revisions": "dialogs:read",
}
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=100)]
_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"\Z')


def add_endpoints(routes: APIRouter, database: Database, objects: ObjectStore) -> None:
    """Add the endpoints of one example."""
    _add_reading(routes, database)
    _add_editing(routes, database, objects)
    _add_steps(routes, database)
    _add_keeping(routes, database)


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


async def _shown(
    database: Database,
    tenant: str,
    example_id: UUID,
    request: Request,
    response: Response,
    *,
    original: bool = False,
) -> dict[str, Any]:
    async with database.tenant_transaction(tenant) as transaction:
        row = await example_store.get(transaction.connection, tenant, example_id)
    if row is None:
        raise problems.no_example()
    response.headers["ETag"] = problems.etag(row["draft_revision"])
    first = {"original": row["original"]} if original else {}
    return views.example(row, language(request)) | first


def offer_undo(response: Response, operation_id: UUID | None) -> dict[str, Any]:
    """Name the call that undoes what was done, in the answer and, for answers without a body, as a link."""
    href = f"/v1/operations/{operation_id}/undo" if operation_id else None
    if href:
        response.headers["Link"] = f'<{href}>; rel="undo"'
    return {"undo": {"operation_id": str(operation_id), "href": href} if href else None}


def _add_reading(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/examples/{example_id}", responses=GOES_ON)
    async def get_example(
        caller: CallerDep,
        example_id: UUID,
        request: Request,
        response: Response,
        *,
        original: bool = False,
    ) -> dict[str, Any]:
        """Return the working copy, with `original` also what it is a copy of; 202 while it has not arrived.

        Where the dialog had an example already, the id that was promised leads to that one.
        """
        async with database.tenant_transaction(caller.tenant) as transaction:
            promise = await candidate_store.find_promise(transaction.connection, caller.tenant, example_id)
        if promise is not None and promise["opened_id"] is None:
            response.status_code = 202
            return {"id": str(example_id), "state": "pending"}
        opened = promise["opened_id"] if promise is not None else example_id
        return await _shown(database, caller.tenant, opened, request, response, original=original)

    @routes.get("/v1/examples/{example_id}/revisions")
    async def list_revisions(
        caller: CallerDep, example_id: UUID, limit: Limit = 50, cursor: Number = None
    ) -> dict[str, Any]:
        """List saved revisions, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if not await example_store.exists(transaction.connection, caller.tenant, example_id):
                raise problems.no_example()
            rows = await revision_store.list_revisions(
                transaction.connection, caller.tenant, example_id, cursor, limit + 1
            )
        return views.page(rows, limit, [views.revision(row) for row in rows], "revision")


def _add_editing(routes: APIRouter, database: Database, objects: ObjectStore) -> None:
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
        return await _shown(database, caller.tenant, example_id, request, response)

    @routes.post("/v1/examples/{example_id}/discard")
    async def discard(
        caller: CallerDep, example_id: UUID, request: Request, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Go back to what was saved last, or to the original."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await discard_draft(
                transaction, tenant=caller.tenant, by=caller.subject, example_id=example_id,
                seen=seen_revision(if_match),
            )  # fmt: skip
        return await _shown(database, caller.tenant, example_id, request, response)

    @routes.post("/v1/examples/{example_id}/revert")
    async def revert(
        caller: CallerDep,
        example_id: UUID,
        wanted: Revert,
        request: Request,
        response: Response,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:
        """Put a saved revision, or with 0 the original, into the working copy."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await revert_example(
                transaction, tenant=caller.tenant, by=caller.subject, example_id=example_id,
                seen=seen_revision(if_match), revision=wanted.revision,
            )  # fmt: skip
        return await _shown(database, caller.tenant, example_id, request, response)

    @routes.post("/v1/examples/{example_id}/extend")
    async def extend(
        caller: CallerDep, example_id: UUID, request: Request, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Add the messages with which the dialog went on."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            await extend_example(
                transaction, objects, tenant=caller.tenant, by=caller.subject, example_id=example_id,
                seen=seen_revision(if_match),
            )  # fmt: skip
        return await _shown(database, caller.tenant, example_id, request, response)


def _add_steps(routes: APIRouter, database: Database) -> None:
    async def step(
        caller: CallerDep, example_id: UUID, request: Request, response: Response, if_match: str | None,
        step: Literal["undo", "redo"],
    ) -> dict[str, Any]:  # fmt: skip
        async with database.tenant_transaction(caller.tenant) as transaction:
            await step_back(
                transaction, tenant=caller.tenant, by=caller.subject, example_id=example_id,
                seen=seen_revision(if_match), step=step,
            )  # fmt: skip
        return await _shown(database, caller.tenant, example_id, request, response)

    @routes.post("/v1/examples/{example_id}/undo")
    async def undo(
        caller: CallerDep, example_id: UUID, request: Request, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Take the working copy back to what it was before its last change."""
        return await step(caller, example_id, request, response, if_match, "undo")

    @routes.post("/v1/examples/{example_id}/redo")
    async def redo(
        caller: CallerDep, example_id: UUID, request: Request, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Do again what was undone last, unless something was changed since."""
        return await step(caller, example_id, request, response, if_match, "redo")


def _add_keeping(routes: APIRouter, database: Database) -> None:
    @routes.post("/v1/examples/{example_id}/save")
    async def save(
        caller: CallerDep, example_id: UUID, request: Request, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Put the working copy into the dataset as its next revision."""
        tenant, by = caller.tenant, caller.subject
        async with database.tenant_transaction(tenant) as transaction:
            row = await lock_example(transaction.connection, tenant, example_id, seen_revision(if_match))
            change = await save_example(
                transaction, tenant=tenant, by=by, row=row, language=language(request)
            )
            done = await remember(transaction, tenant, by, "save", row, change)
        shown = await _shown(database, tenant, example_id, request, response)
        return shown | offer_undo(response, done)

    @routes.delete("/v1/examples/{example_id}", status_code=204)
    async def remove(
        caller: CallerDep, example_id: UUID, response: Response, if_match: IfMatch = None
    ) -> None:
        """Take the example out of the dataset."""
        tenant, by = caller.tenant, caller.subject
        async with database.tenant_transaction(tenant) as transaction:
            row = await lock_example(transaction.connection, tenant, example_id, seen_revision(if_match))
            change = await remove_example(transaction, tenant=tenant, by=by, row=row)
            done = await remember(transaction, tenant, by, "remove", row, change)
        offer_undo(response, done)

    @routes.post("/v1/examples/{example_id}/restore")
    async def restore(
        caller: CallerDep, example_id: UUID, request: Request, response: Response, if_match: IfMatch = None
    ) -> dict[str, Any]:
        """Bring a removed example back as what it was."""
        tenant, by = caller.tenant, caller.subject
        async with database.tenant_transaction(tenant) as transaction:
            row = await lock_example(transaction.connection, tenant, example_id, seen_revision(if_match))
            change = await restore_example(transaction, tenant=tenant, by=by, row=row)
            done = await remember(transaction, tenant, by, "restore", row, change)
        shown = await _shown(database, tenant, example_id, request, response)
        return shown | offer_undo(response, done)
