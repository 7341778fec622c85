"""What comes in by HTTP about checks: findings, fixes, dismissals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from chassis import audit
from chassis.database import Database
from chassis.http import CallerDep, language
from contracts.event import NO_NUL, OpaqueId
from dataset_svc.domain import check_problems, problems
from dataset_svc.domain.checks import CODES, finding_of
from dataset_svc.inbound import requests, views
from dataset_svc.inbound.http import Limit
from dataset_svc.inbound.http_examples import IfMatch, offer_undo, seen_revision
from dataset_svc.outbound import agent_store, example_store, finding_store, near_store
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.check_examples import catch_up
from dataset_svc.usecases.fix_example import fix_example

SCOPES = {
    "GET /v1/datasets/{dataset_id}/checks": "dialogs:read",
    "POST /v1/examples/{example_id}/fixes": "curate",
    "POST /v1/examples/{example_id}/dismissals": "curate",
    "DELETE /v1/examples/{example_id}/dismissals/{code}": "curate",
}
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=NO_NUL)]
Severity = Literal["error", "warning", "note"]


class FixIn(requests.Request):
    """A finding and the fix to apply; `value`: the function's name, or the arguments."""

    code: Code
    message_id: OpaqueId | None = None
    fix: Code
    value: requests.Words | None = None
    save: bool = False


class DismissalIn(requests.Request):
    """A warning that is accepted as it is, and why."""

    code: Code
    why: Annotated[str, Field(min_length=1, max_length=1_000, pattern=NO_NUL)]


def add_endpoints(routes: APIRouter, database: Database, wake: Callable[[], None]) -> None:
    """Add the endpoints of checks; `wake` makes the checker of this process look at once."""
    _add_findings(routes, database, wake)
    _add_fixes(routes, database)
    _add_dismissals(routes, database)


def _add_findings(routes: APIRouter, database: Database, wake: Callable[[], None]) -> None:
    @routes.get("/v1/datasets/{dataset_id}/checks")
    async def checks(
        caller: CallerDep,
        dataset_id: UUID,
        request: Request,
        code: Annotated[str | None, Query(max_length=64)] = None,
        severity: Severity | None = None,
        example_id: UUID | None = None,
        limit: Limit = 50,
        cursor: UUID | None = None,
    ) -> dict[str, Any]:
        """Return how often each code was found, and the examples that have findings, or one of them."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            connection = transaction.connection
            if await agent_store.get_dataset(connection, caller.tenant, dataset_id) is None:
                raise problems.no_dataset()
            pending = await catch_up(transaction, tenant=caller.tenant, dataset_id=dataset_id)
            ungrouped = await near_store.count_due(connection, caller.tenant, dataset_id)
            counts = await finding_store.counts(
                connection, caller.tenant, dataset_id, saved_only=False, example_id=example_id
            )
            rows = await finding_store.page(
                connection, caller.tenant, dataset_id, code=code, severity=severity,
                example_id=example_id, after=cursor, limit=limit + 1,
            )  # fmt: skip
        if pending or ungrouped:
            wake()
        items = [_item(row, language(request)) for row in rows]
        return {
            "pending": pending,
            "ungrouped": ungrouped,
            "counts": [views.code_count(row) for row in counts],
            **views.page(rows, limit, items, "example_id"),
        }


def _item(row: Row, spoken: str) -> dict[str, Any]:
    findings = [
        problems.finding_json(finding_of(one["code"], one["place"]), spoken)
        | {"with": one["with"] or [], "dismissed": one["dismissed"]}
        for one in row["findings"]
    ]
    return {
        "example_id": str(row["example_id"]),
        "dialog_id": row["dialog_id"],
        "state": row["state"],
        "revision": row["revision"],
        "content_sha256": row["content"],
        "findings": findings,
    }


def _add_fixes(routes: APIRouter, database: Database) -> None:
    @routes.post("/v1/examples/{example_id}/fixes")
    async def fix(
        caller: CallerDep, example_id: UUID, wanted: FixIn, request: Request, response: Response,
        if_match: IfMatch = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Apply one fix to the working copy; with `save` it counts at once."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            done = await fix_example(
                transaction, tenant=caller.tenant, by=caller.subject, example_id=example_id,
                seen=seen_revision(if_match), language=language(request), **wanted.model_dump(),
            )  # fmt: skip
            row = await example_store.get(transaction.connection, caller.tenant, example_id)
        if row is None:
            raise problems.no_example()
        response.headers["ETag"] = problems.etag(row["draft_revision"])
        return views.example(row, language(request)) | offer_undo(response, done)


def _add_dismissals(routes: APIRouter, database: Database) -> None:
    @routes.post("/v1/examples/{example_id}/dismissals", status_code=201)
    async def dismiss(caller: CallerDep, example_id: UUID, wanted: DismissalIn) -> dict[str, Any]:
        """Accept a warning; it comes back when the example's content changes."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            connection = transaction.connection
            row = await example_store.get(connection, caller.tenant, example_id)
            if row is None:
                raise problems.no_example()
            await catch_up(transaction, tenant=caller.tenant, dataset_id=row["dataset_id"])
            content = await finding_store.content_with(connection, caller.tenant, example_id, wanted.code)
            if content is None:
                raise check_problems.no_such_finding()
            if CODES[wanted.code].severity != "warning":
                raise check_problems.not_a_warning(wanted.code)
            await finding_store.dismiss(
                connection, caller.tenant, example_id, wanted.code, content, wanted.why, caller.subject
            )
            await audit.record(
                connection, tenant=caller.tenant, subject=caller.subject, action="warning.dismissed",
                object_id=str(example_id), code=wanted.code, content_sha256=content.hex(),
            )  # fmt: skip
        return {"example_id": str(example_id), "code": wanted.code, "content_sha256": content.hex()}

    @routes.delete("/v1/examples/{example_id}/dismissals/{code}", status_code=204)
    async def undismiss(caller: CallerDep, example_id: UUID, code: Code) -> None:
        """Let a dismissed warning count again."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            connection = transaction.connection
            if await example_store.get(connection, caller.tenant, example_id) is None:
                raise problems.no_example()
            if not await finding_store.undismiss(connection, caller.tenant, example_id, code):
                raise check_problems.no_such_finding()
            await audit.record(
                connection, tenant=caller.tenant, subject=caller.subject, action="warning.recalled",
                object_id=str(example_id), code=code,
            )  # fmt: skip
