"""What comes in by HTTP about datasets and the list of their examples."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from chassis.auth import Caller
from chassis.database import Database, Transaction
from chassis.http import CallerDep, add_audit
from chassis.objects import ObjectStore
from dataset_svc.domain import problems
from dataset_svc.domain.filter import Filter, State
from dataset_svc.inbound import views
from dataset_svc.inbound.requests import Moment, NewExample, TagText
from dataset_svc.outbound import agent_store, listing_store, near_store
from dataset_svc.usecases.open_example import Opened, open_copy, open_from_dialog, open_from_messages

SCOPES = {
    "GET /v1/datasets": "dialogs:read",
    "GET /v1/datasets/{dataset_id}/summary": "dialogs:read",
    "GET /v1/datasets/{dataset_id}/examples": "dialogs:read",
    "POST /v1/datasets/{dataset_id}/examples": "curate",
    "GET /v1/audit": "dialogs:read",
}
Limit = Annotated[int, Query(ge=1, le=200)]
Number = Annotated[int | None, Query(ge=1, le=2**63 - 1)]
ShortText = Annotated[str | None, Query(max_length=256, pattern=r"^[^\x00]*$")]
OptionalMoment = Annotated[Moment | None, Query()]
MADE: dict[int | str, dict[str, Any]] = {201: {"description": "Made now"}}
GOES_ON: dict[int | str, dict[str, Any]] = {202: {"description": "It goes on"}}
_STATUS = {"created": 201, "existing": 200, "pending": 202}


def add_endpoints(routes: APIRouter, database: Database, objects: ObjectStore) -> None:
    """Add the endpoints of datasets."""
    _add_datasets(routes, database)
    _add_examples(routes, database, objects)
    add_audit(routes, database)


def _wanted(
    state: State | None = None,
    tag: Annotated[TagText | None, Query()] = None,
    rating: Literal["good", "bad", "none"] | None = None,
    teaches: Literal["none", "some", "all"] | None = None,
    source: Literal["live", "test"] | None = None,
    dialog_id: ShortText = None,
    changed_by: ShortText = None,
    changed_from: OptionalMoment = None,
    changed_to: OptionalMoment = None,
    unsaved: bool | None = None,  # noqa: FBT001 -- FastAPI's way to declare a query parameter
    copied: bool | None = None,  # noqa: FBT001
    group: UUID | None = None,
    finding: ShortText = None,
    q: ShortText = None,
) -> Filter:
    """Read the filter of a list from the query."""
    return Filter(
        state, tag, rating, teaches, source, dialog_id, changed_by, changed_from, changed_to, unsaved, copied,
        group, finding, q,
    )  # fmt: skip


FilterDep = Annotated[Filter, Depends(_wanted)]


def _add_datasets(routes: APIRouter, database: Database) -> None:
    @routes.get("/v1/datasets")
    async def list_datasets(
        caller: CallerDep, agent_id: ShortText = None, limit: Limit = 50, cursor: UUID | None = None
    ) -> dict[str, Any]:
        """List datasets; there is one per agent."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            rows = await agent_store.list_datasets(
                transaction.connection, caller.tenant, agent_id, cursor, limit + 1
            )
        return views.page(rows, limit, [views.dataset(row) for row in rows], "id")

    @routes.get("/v1/datasets/{dataset_id}/summary")
    async def summary(caller: CallerDep, dataset_id: UUID) -> dict[str, Any]:
        """Return counts, tokens, how many answers teach, and how many examples say nearly the same."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            dataset = await agent_store.get_dataset(transaction.connection, caller.tenant, dataset_id)
            if dataset is None:
                raise problems.no_dataset()
            found = await listing_store.summary(transaction.connection, caller.tenant, dataset_id)
            groups = await near_store.group_counts(transaction.connection, caller.tenant, dataset_id)
        return views.dataset(dataset) | dict(found) | dict(groups)


def _add_examples(routes: APIRouter, database: Database, objects: ObjectStore) -> None:
    @routes.get("/v1/datasets/{dataset_id}/examples")
    async def list_examples(
        caller: CallerDep, dataset_id: UUID, wanted: FilterDep, limit: Limit = 50, cursor: UUID | None = None
    ) -> dict[str, Any]:
        """List examples, newest first; without `state` all but the removed."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            if await agent_store.get_dataset(transaction.connection, caller.tenant, dataset_id) is None:
                raise problems.no_dataset()
            rows = await listing_store.list_examples(
                transaction.connection, caller.tenant, dataset_id, wanted, cursor, limit + 1
            )
        items = [
            views.example_item(row) | {"tokens": row["tokens"], "opening": row["opening"] or ""}
            for row in rows
        ]
        return views.page(rows, limit, items, "id")

    @routes.post("/v1/datasets/{dataset_id}/examples", responses=MADE | GOES_ON)
    async def open_example(
        caller: CallerDep, dataset_id: UUID, wanted: NewExample, response: Response
    ) -> dict[str, Any]:
        """Take a dialog's revision, another agent's example, or messages as an example."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            opened = await _open(transaction, objects, caller, dataset_id, wanted)
        response.status_code = _STATUS[opened.how]
        return {
            "id": str(opened.id),
            "existing": opened.how == "existing",
            "pending": opened.how == "pending",
            "dialog_id": wanted.dialog_id,
        }


async def _open(
    transaction: Transaction, objects: ObjectStore, caller: Caller, dataset_id: UUID, wanted: NewExample
) -> Opened:
    who = {"tenant": caller.tenant, "by": caller.subject}
    if wanted.dialog_id is not None:
        return await open_from_dialog(
            transaction, objects, **who, dataset_id=dataset_id, dialog_id=wanted.dialog_id,
            revision=wanted.revision or 1,
        )  # fmt: skip
    if wanted.from_example_id is not None:
        return await open_copy(
            transaction, **who, dataset_id=dataset_id, from_example_id=wanted.from_example_id
        )
    return await open_from_messages(transaction, **who, dataset_id=dataset_id, messages=wanted.written())
