"""Undo what one call did: SAVE, DONE, removing, a bulk change, an import."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import audit
from chassis.database import Transaction
from chassis.errors import Problem
from dataset_svc.domain import problems
from dataset_svc.domain.change import DRAFT, ORIGINAL, Change, still_stands
from dataset_svc.domain.message import load
from dataset_svc.outbound import example_store, operation_store, revision_store
from dataset_svc.outbound.operation_store import Failure
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.change_examples import TURN, failure
from dataset_svc.usecases.edit_example import lock_example, put_working_copy
from dataset_svc.usecases.save_example import tell


async def remember(
    transaction: Transaction, tenant: str, by: str, action: str, row: Row, change: Change
) -> UUID | None:
    """Store what one call did to one example; returns the operation that undoes it, None if nothing."""
    if not change.after:
        return None
    connection, operation_id = transaction.connection, uuid7()
    await operation_store.create(
        connection, tenant, operation_id=operation_id, dataset_id=row["dataset_id"], action=action,
        arguments={}, state="running", by=by,
    )  # fmt: skip
    await operation_store.settle_item(connection, tenant, operation_id, row["id"], "done", change)
    await operation_store.advance(
        connection, tenant, operation_id, state="done", position={}, total=1, done=1
    )
    return operation_id


async def undo_operation(transaction: Transaction, *, tenant: str, by: str, operation_id: UUID) -> None:
    """Begin to undo an operation: a few examples at once, more by the worker.

    Raises a Problem when it is unknown, under way or undone already, or about one example that was
    changed since.
    """
    connection = transaction.connection
    operation = await operation_store.lock(connection, tenant, operation_id)
    if operation is None:
        raise problems.no_operation()
    if operation["state"] not in {"done", "refused"}:
        raise problems.not_undoable(operation["state"])
    await operation_store.begin_undo(connection, tenant, operation_id, by)
    await audit.record(
        connection, tenant=tenant, subject=by, action="operation.undone", object_id=str(operation_id),
        what=operation["action"],
    )  # fmt: skip
    if operation["done"] > TURN:
        return
    failures = await take_back(transaction, tenant, operation_id)
    if failures and operation["total"] == 1:
        raise problems.changed_since()


async def take_back(transaction: Transaction, tenant: str, operation_id: UUID) -> list[Failure]:
    """Undo the next few examples of an operation; returns what could not be.

    An import of all or nothing that failed while storing ends as refused.
    """
    connection = transaction.connection
    operation = await operation_store.lock(connection, tenant, operation_id)
    if operation is None or operation["state"] != "undoing":
        return []
    items = await operation_store.next_items(connection, tenant, operation_id, "done", TURN + 1)
    failures: list[Failure] = []
    for item in items[:TURN]:
        place = operation["total"] + operation["kept"] + len(failures) + 1
        failed = await _take_back(transaction, tenant, operation, item, place)
        failures += [failed] if failed else []
    if failures:
        await operation_store.put_failures(connection, tenant, operation_id, failures)
    over = "refused" if operation["position"].get("refused") else "undone"
    await operation_store.advance(
        connection, tenant, operation_id, state="undoing" if len(items) > TURN else over,
        position=operation["position"], undone=min(len(items), TURN) - len(failures), kept=len(failures),
    )  # fmt: skip
    return failures


async def _take_back(
    transaction: Transaction, tenant: str, operation: Row, item: Row, place: int
) -> Failure | None:
    connection, example_id, failed = transaction.connection, item["example_id"], None
    change = Change(item["before"], item["after"])
    try:
        async with connection.transaction():
            row = await lock_example(connection, tenant, example_id)
            if not still_stands(row, change.after):
                raise problems.changed_since()
            await _put_back(transaction, tenant, operation["undone_by"], row, change)
    except Problem as problem:
        failed = failure(place, example_id, problem)
    await operation_store.close_item(
        connection, tenant, operation["id"], example_id, "kept" if failed else "undone"
    )
    return failed


async def _put_back(transaction: Transaction, tenant: str, by: str, row: Row, change: Change) -> None:
    """Give the columns their values from before; an example that was not there goes."""
    if change.after and not change.before:
        await example_store.delete(transaction.connection, tenant, row["id"])
        await operation_store.forget_examples(transaction.connection, [(tenant, row["id"])])
        await tell(transaction, tenant, row, "removed")
        return
    columns = {name: value for name, value in change.before.items() if name not in {DRAFT, ORIGINAL}}
    if columns:
        await example_store.set_columns(transaction.connection, tenant, row["id"], columns, by)
    if ORIGINAL in change.before:
        await example_store.set_original(transaction.connection, tenant, row["id"], change.before[ORIGINAL])
        row = await lock_example(transaction.connection, tenant, row["id"])
    if DRAFT in change.before:
        told = [{"op": "undo", "message_id": None}]
        await put_working_copy(transaction, tenant, by, row, load(change.before[DRAFT]), told, step=None)
        await note_in_step(transaction, tenant, row, change.before[DRAFT])
    if "state" in columns:
        await tell(transaction, tenant, row, columns["state"])


async def note_in_step(transaction: Transaction, tenant: str, row: Row, messages: list[Any]) -> None:
    """Note that there are no unsaved changes where the working copy is again what was saved."""
    if row["saved_revision"] is None:
        return
    connection, example_id = transaction.connection, row["id"]
    saved = await revision_store.get_revision(connection, tenant, example_id, row["saved_revision"])
    if saved is not None and saved["messages"] == messages:
        await example_store.mark_in_step(connection, tenant, example_id)
