"""Change a working copy: operations, going back to what was saved, taking in how the dialog went on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.database import Connection, Transaction
from dataset_svc.domain import problems
from dataset_svc.domain.edits import EditRefusedError, Insert, Operation, Setting, apply
from dataset_svc.domain.functions import Functions
from dataset_svc.domain.labels import Labels, SetNote, SetTags
from dataset_svc.domain.message import Messages, dump, load
from dataset_svc.domain.steps import Kind
from dataset_svc.domain.weights import Ratings, head, weights
from dataset_svc.outbound import agent_store, example_store, revision_store, step_store
from dataset_svc.outbound.row import Row

AnyOperation = Operation | SetNote | SetTags
OP = {
    "EditText": "edit", "MarkHint": "hint", "Restore": "restore", "EditCall": "edit_call",
    "Delete": "delete", "Insert": "insert", "SetWeight": "weight", "SetNote": "note", "SetTags": "tags",
}  # fmt: skip
OWN = "test"
"""The source of dialogs in which the user's messages are the owner's own."""


async def lock_example(connection: Connection, tenant: str, example_id: UUID, seen: int | None = None) -> Row:
    """Return the example, locked; raises a 404 Problem, or a 412 when it is not what the caller saw."""
    row = await example_store.lock(connection, tenant, example_id)
    if row is None:
        raise problems.no_example()
    if seen is not None and row["draft_revision"] != seen:
        raise problems.stale(row["draft_revision"], await _changes(connection, tenant, example_id, seen, row))
    return row


async def lock_present(connection: Connection, tenant: str, example_id: UUID, seen: int | None = None) -> Row:
    """Return the example, locked; raises a Problem also when it was removed."""
    row = await lock_example(connection, tenant, example_id, seen)
    if row["state"] == "removed":
        raise problems.removed()
    return row


async def _changes(
    connection: Connection, tenant: str, example_id: UUID, seen: int, row: Row
) -> list[dict[str, Any]]:
    found = await step_store.changes_since(connection, tenant, example_id, seen)
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
    operations: Sequence[AnyOperation],
) -> None:
    """Apply the operations in order, all or none; raises a Problem naming the one that cannot be done."""
    connection = transaction.connection
    row = await lock_present(connection, tenant, example_id, seen)
    setting = await _setting(connection, tenant, row)
    messages, labels = load(row["draft"]), Labels(row["note"], tuple(row["tags"]))
    for place, operation in enumerate(operations):
        try:
            if isinstance(operation, SetNote | SetTags):
                labels = labels.after(operation)
            else:
                messages = apply(messages, operation, setting)
        except EditRefusedError as error:
            raise problems.edit_refused(error, place) from None
    changes = [_told(one) for one in operations]
    await put_working_copy(transaction, tenant, by, row, messages, changes)
    if any(isinstance(one, SetNote | SetTags) for one in operations):
        await example_store.set_labels(connection, tenant, example_id, labels.note, labels.tags)
    if row["saved_draft"] == row["draft_revision"] and dump(messages) == row["draft"]:
        await example_store.mark_in_step(connection, tenant, example_id)
    await audit.record(
        connection, tenant=tenant, subject=by, action="example.edited", object_id=str(example_id),
        changes=changes[:100],
    )  # fmt: skip


async def _setting(connection: Connection, tenant: str, row: Row) -> Setting:
    """Return what operations need to know: first forms, whose words, the agent's functions."""
    agent = await agent_store.agent_of_dataset(connection, tenant, row["dataset_id"])
    return Setting(
        {one.id: one for one in load(row["original"])},
        row["source"] == OWN,
        Functions.of_tools(agent["tools"]) if agent else Functions(),
    )


def _told(operation: AnyOperation) -> dict[str, Any]:
    """Return what is told of an operation: never the text."""
    message_id = operation.message.id if isinstance(operation, Insert) else None
    return {
        "op": OP[type(operation).__name__],
        "message_id": message_id or getattr(operation, "message_id", None),
    }


async def put_working_copy(
    transaction: Transaction,
    tenant: str,
    by: str,
    row: Row,
    messages: Messages,
    changes: list[dict[str, Any]],
    *,
    step: Kind | None = "change",
) -> int:
    """Replace the working copy of a locked example and note who changed what; returns its revision.

    Undo takes it back to what the row says; with `step` None it cannot, nor any change before.
    """
    now = head(weights(messages, load(row["original"]), Ratings(row["ratings"])))
    revision = await example_store.put_draft(
        transaction.connection, tenant, row["id"],
        messages=dump(messages), teaches=now.teaches, answers=now.answers, by=by,
    )  # fmt: skip
    before = {
        "messages": row["draft"], "note": row["note"], "tags": list(row["tags"]),
        "origin": [row["origin_revision"], row["origin_count"]],
    }  # fmt: skip
    await step_store.put_change(
        transaction.connection, tenant, row["id"], revision=revision, by=by, changes=changes,
        step=step or "change", before=before if step else None,
    )  # fmt: skip
    return revision


async def discard_draft(
    transaction: Transaction, *, tenant: str, by: str, example_id: UUID, seen: int | None
) -> None:
    """Go back to what was saved last, or to the original when nothing was."""
    row = await lock_present(transaction.connection, tenant, example_id, seen)
    await _go_back(transaction, tenant, by, row, row["saved_revision"] or 0, "discard")
    await audit.record(
        transaction.connection, tenant=tenant, subject=by, action="example.discarded",
        object_id=str(example_id),
    )  # fmt: skip


async def revert_example(
    transaction: Transaction, *, tenant: str, by: str, example_id: UUID, seen: int | None, revision: int
) -> None:
    """Put a saved revision, or with 0 the original, into the working copy; raises a 404 Problem."""
    row = await lock_present(transaction.connection, tenant, example_id, seen)
    await _go_back(transaction, tenant, by, row, revision, "revert")
    await audit.record(
        transaction.connection, tenant=tenant, subject=by, action="example.reverted",
        object_id=str(example_id), revision=revision,
    )  # fmt: skip


async def _go_back(transaction: Transaction, tenant: str, by: str, row: Row, revision: int, op: str) -> None:
    connection, example_id = transaction.connection, row["id"]
    data, origin = row["original"], (row["origin_revision"], len(row["original"]))
    if revision:
        saved = await revision_store.get_revision(connection, tenant, example_id, revision)
        if saved is None:
            raise problems.no_revision()
        data, origin = saved["messages"], (saved["origin_revision"], saved["origin_count"])
    changes = [{"op": op, "message_id": None}]
    await put_working_copy(transaction, tenant, by, row, load(data), changes)
    await example_store.set_origin(connection, tenant, example_id, *origin)
    if row["state"] == "saved" and revision == row["saved_revision"]:
        await example_store.mark_in_step(connection, tenant, example_id)
