"""What comes in and goes out as a file: import and export of examples."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from uuid_utils.compat import uuid7

from chassis.auth import Caller
from chassis.database import Database, Transaction
from chassis.http import CallerDep
from chassis.idempotency import once
from chassis.objects import ObjectStore, Stored, tenant_prefix
from dataset_svc.domain import problems
from dataset_svc.inbound.http import FilterDep
from dataset_svc.inbound.http_operations import Key, shown
from dataset_svc.inbound.json_array import as_lines
from dataset_svc.inbound.lines import Format
from dataset_svc.outbound import agent_store
from dataset_svc.usecases.export_examples import export_examples
from dataset_svc.usecases.import_examples import Options, begin_import

IMPORT = "POST /v1/datasets/{dataset_id}/import"
SCOPES = {IMPORT: "curate", "GET /v1/datasets/{dataset_id}/export": "dialogs:read"}
LINES = "application/x-ndjson"
TEXT = {"schema": {"type": "string", "minLength": 1}}
BODY = {"requestBody": {"required": True, "content": {LINES: TEXT, "text/plain": TEXT}}}


def add_endpoints(
    routes: APIRouter, database: Database, objects: ObjectStore, wake: Callable[[], None]
) -> None:
    """Add import and export; `wake` makes the worker of this process look at once."""
    _add_export(routes, database)

    @routes.post("/v1/datasets/{dataset_id}/import", status_code=202, openapi_extra=BODY)
    async def import_examples(
        caller: CallerDep,
        dataset_id: UUID,
        request: Request,
        form: Annotated[Format, Query(alias="format")] = "openai",
        mode: Literal["all_or_nothing", "best_effort"] = "all_or_nothing",
        state: Literal["draft", "saved"] | None = None,
        key: Key = "",
    ) -> dict[str, Any]:
        """Take the examples of a JSON Lines file; what is wrong with which line is listed."""
        options = Options(form, mode, state)
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await agent_store.get_dataset(transaction.connection, caller.tenant, dataset_id) is None:
                raise problems.no_dataset()
        stored = await _upload(objects, caller.tenant, request)
        committing = False
        try:
            async with database.tenant_transaction(caller.tenant) as transaction:
                _, begun = await once(
                    transaction.connection, tenant=caller.tenant, key=key, endpoint=f"import {dataset_id}",
                    request=f"{stored.sha256} {options}".encode(),
                    act=lambda: _begin(transaction, caller, dataset_id, options, stored),
                )  # fmt: skip
                committing = True
        except BaseException:
            if not committing:  # else the commit may have come through, and the import needs its file
                await objects.delete(stored.uri, caller.tenant)
            raise
        if begun["uri"] != stored.uri:
            await objects.delete(stored.uri, caller.tenant)  # the same file again
        wake()
        return await shown(database, caller.tenant, UUID(begun["operation_id"]), request, None)


async def _begin(
    transaction: Transaction, caller: Caller, dataset_id: UUID, options: Options, stored: Stored
) -> tuple[int, dict[str, Any]]:
    if not stored.bytes:
        raise problems.upload_empty()
    operation_id = await begin_import(
        transaction, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id, options=options,
        stored=stored,
    )  # fmt: skip
    return 202, {"operation_id": str(operation_id), "uri": stored.uri}


async def _upload(objects: ObjectStore, tenant: str, request: Request) -> Stored:
    """Store the body; it appears only when it arrived whole."""

    async def chunks() -> AsyncIterator[bytes]:
        async for chunk in request.stream():
            if chunk:
                yield chunk

    try:
        return await objects.put_stream(f"{tenant_prefix(tenant)}imports/{uuid7()}.jsonl", as_lines(chunks()))
    except ClientDisconnect:
        raise problems.upload_incomplete() from None


def _add_export(routes: APIRouter, database: Database) -> None:
    @routes.get(
        "/v1/datasets/{dataset_id}/export",
        response_class=Response,
        responses={200: {"content": {LINES: {"schema": {"type": "string"}}}}},
    )
    async def export(
        caller: CallerDep,
        dataset_id: UUID,
        wanted: FilterDep,
        form: Annotated[Format, Query(alias="format")] = "openai",
    ) -> StreamingResponse:
        """Return examples as JSON Lines: the saved ones as OpenAI takes them, or all that is known."""
        lines = await export_examples(
            database, tenant=caller.tenant, by=caller.subject, dataset_id=dataset_id, form=form, wanted=wanted
        )
        headers = {"Content-Disposition": f'attachment; filename="{dataset_id}-{form}.jsonl"'}
        return StreamingResponse(lines, media_type=LINES, headers=headers)
