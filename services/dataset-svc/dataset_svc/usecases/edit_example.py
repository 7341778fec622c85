"""Change a working copy: operations, and going back to what was saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.database import Connection, Transaction
from dataset_svc.domain import problems
from dataset_svc.domain.edits import EditRefusedError, Insert, Operation, apply
from dataset_svc.domain.message import Messages, dump, load
from dataset_svc.domain.weights import Ratings, head, weights
from dataset_svc.outbound import example_store
from dataset_svc.outbound.row import Row


async def lock_example(connection: Connection, tenant: str, example_id: UUID, seen: int | None) -> Row:
    """Return the example, locked; raises a 404 Problem, or a 412 when it is not what the caller saw."""
    row = await example_store.lock(connection, tenant, example_id)
    if row is None:
        raise problems.no_example()
    if seen is not None and row["draft_revision"] != seen:
        raise problems.stale(row["draft_revision"], await _changes(connection, tenant, example_id, seen, row))
    return row


async def _changes(
    connection: Connection, tenant: str, example_id: UUID, seen: int, row: Row
) -> list[dict[str, Any]]:
    found = await example_store.changes_since(connection, tenant, example_id, seen)
    return [
        {"by": one["changed_by"], "at": one["changed_at"].isoformat(), "changes": one["changes"]}
        for one in found
    ] or [{"by": row["changed_by"], "at": row["changed_at"].isoformat(), "changes": []}]


async def edit_example(
    transaction: Transaction,
    *,
    tenant: str,
    by: str,
    example_id: UUID,
    seen: int | None,
    operations: Sequence[Operation],
) -> None:
    """Apply the operations in order, all or none; raises a Problem naming the one that cannot be done."""
    row = await lock_example(transaction.connection, tenant, example_id, seen)
    if row["state"] == "removed":
        raise problems.removed()
    messages = load(row["draft"])
    for place, operation in enumerate(operations):
        try:
            messages = apply(messages, operation)
        except EditRefusedError as error:
            raise problems.edit_refused(error, place) from None
    changes = [_told(one) for one in operations]
    await _put(transaction, tenant, by, row, messages, changes)
    await audit.record(
        transaction.connection,
        tenant=tenant,
        subject=by,
        action="example.edited",
        object_id=str(example_id),
        changes=changes[:100],
    )


def _told(operation: Operation) -> dict[str, Any]:
    """Return what is told of an operation: never the text."""
    names = {"EditText": "edit", "EditCall": "edit_call", "Delete": "delete", "Insert": "insert"}
    message_id = operation.message.id if isinstance(operation, Insert) else operation.message_id
    return {"op": names.get(type(operation).__name__, "weight"), "message_id": message_id}


async def _put(
    transaction: Transaction,
    tenant: str,
    by: str,
    row: Row,
    messages: Messages,
    changes: list[dict[str, Any]],
) -> None:
    now = head(weights(messages, load(row["original"]), Ratings(row["ratings"])))
    revision = await example_store.put_draft(
        transaction.connection, tenant, row["id"],
        messages=dump(messages), teaches=now.teaches, answers=now.answers, by=by,
    )  # fmt: skip
    await example_store.put_change(transaction.connection, tenant, row["id"], revision, by, changes)


async def discard_draft(
    transaction: Transaction, *, tenant: str, by: str, example_id: UUID, seen: int | None
) -> None:
    """Go back to what was saved last, or to the original when nothing was."""
    connection = transaction.connection
    row = await lock_example(connection, tenant, example_id, seen)
    if row["state"] == "removed":
        raise problems.removed()
    data = row["original"]
    if row["saved_revision"] is not None:
        data = await example_store.get_revision(connection, tenant, example_id, row["saved_revision"])
    await _put(transaction, tenant, by, row, load(data), [{"op": "discard", "message_id": None}])
    if row["state"] == "saved":
        await example_store.mark_in_step(connection, tenant, example_id)
    await audit.record(
        connection, tenant=tenant, subject=by, action="example.discarded", object_id=str(example_id)
    )
