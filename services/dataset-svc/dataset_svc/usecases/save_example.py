"""Put the working copy into the dataset as its next revision, take the example out, bring it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.database import Transaction
from contracts.datasets import DatasetChanged
from dataset_svc.domain import problems
from dataset_svc.domain.change import Change, changed
from dataset_svc.domain.checks import check, errors
from dataset_svc.domain.line import fragment, line_messages
from dataset_svc.domain.message import Messages, dump, load
from dataset_svc.domain.tokens import count_example
from dataset_svc.domain.weights import Ratings, head, weights
from dataset_svc.outbound import example_store, revision_store
from dataset_svc.outbound.row import Row


def ready_to_save(
    messages: Messages, original: Messages, ratings: Ratings, language: str = "en"
) -> dict[str, Any]:
    """Return what a saved revision holds of these messages; raises a 422 Problem with their errors."""
    found = weights(messages, original, ratings)
    wrong = errors(check(messages, found))
    if wrong:
        raise problems.unsound(wrong, language)
    line, now = line_messages(messages, found), head(found)
    return {
        "messages": dump(messages),
        "line": fragment(line),
        "tokens": count_example(line),
        "teaches": now.teaches,
        "answers": now.answers,
    }


async def save_example(
    transaction: Transaction, *, tenant: str, by: str, row: Row, language: str = "en"
) -> Change:
    """Check the working copy of a locked example and save it. Raises a 422 Problem with its errors."""
    if row["state"] == "removed":
        raise problems.removed()
    connection = transaction.connection
    saved = ready_to_save(load(row["draft"]), load(row["original"]), Ratings(row["ratings"]), language)
    revision = await revision_store.put_revision(connection, tenant, row, saved | {"by": by})
    change = changed(row, state="saved", saved_revision=revision, saved_draft=row["draft_revision"])
    await example_store.set_columns(connection, tenant, row["id"], change.after, by)
    await _note(transaction, tenant, by, "example.saved", row, revision=revision)
    await tell(transaction, tenant, row, "saved")
    return change


async def remove_example(transaction: Transaction, *, tenant: str, by: str, row: Row) -> Change:
    """Take a locked example out of the dataset; frozen versions keep what they hold. Twice is no error."""
    if row["state"] == "removed":
        return Change()
    change = changed(row, state="removed", removed_from=row["state"])
    await example_store.set_columns(transaction.connection, tenant, row["id"], change.after, by)
    await _note(transaction, tenant, by, "example.removed", row)
    await tell(transaction, tenant, row, "removed")
    return change


async def restore_example(transaction: Transaction, *, tenant: str, by: str, row: Row) -> Change:
    """Bring a removed, locked example back as what it was; one that is there is left as it is."""
    if row["state"] != "removed":
        return Change()
    change = changed(row, state=row["removed_from"] or "draft", removed_from=None)
    await example_store.set_columns(transaction.connection, tenant, row["id"], change.after, by)
    await _note(transaction, tenant, by, "example.restored", row)
    await tell(transaction, tenant, row, change.after["state"])
    return change


async def tell(transaction: Transaction, tenant: str, row: Mapping[str, Any] | Row, state: str) -> None:
    """Publish that a dialog came into the dataset or left it; one written by hand or copied has none.

    A dialog with several examples (one a branch) leaves with its last one. Whoever changes one of them waits
    here for those who change another, so that the event that is published last is true.
    """
    dialog_id, connection = row["dialog_id"], transaction.connection
    if dialog_id is None or (row["state"] != "saved" and state != "saved"):
        return
    await example_store.lock_membership(connection, tenant, [dialog_id])
    saved = await example_store.saved_of_dialog(connection, tenant, dialog_id)
    event = DatasetChanged(
        dialog_id=dialog_id, example_id=str(saved or row["id"]), state="saved" if saved else "removed"
    )
    transaction.publish(event, tenant=tenant)


async def _note(transaction: Transaction, tenant: str, by: str, action: str, row: Row, **more: Any) -> None:
    example_id: UUID = row["id"]
    await audit.record(
        transaction.connection, tenant=tenant, subject=by, action=action, object_id=str(example_id), **more
    )
