"""Put the working copy into the dataset as its next revision, or take the example out."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from chassis import audit
from chassis.database import Transaction
from contracts.datasets import DatasetChanged
from dataset_svc.domain import problems
from dataset_svc.domain.checks import check, errors
from dataset_svc.domain.line import fragment, line_messages
from dataset_svc.domain.message import dump, load
from dataset_svc.domain.tokens import count_example
from dataset_svc.domain.weights import Ratings, head, weights
from dataset_svc.outbound import example_store
from dataset_svc.usecases.edit_example import lock_example


async def save_example(
    transaction: Transaction,
    *,
    tenant: str,
    by: str,
    example_id: UUID,
    seen: int | None,
    language: str,
) -> int:
    """Check the working copy and save it; returns the revision. Raises a 422 Problem with its errors."""
    connection = transaction.connection
    row = await lock_example(connection, tenant, example_id, seen)
    if row["state"] == "removed":
        raise problems.removed()
    messages = load(row["draft"])
    found = weights(messages, load(row["original"]), Ratings(row["ratings"]))
    wrong = errors(check(messages, found))
    if wrong:
        raise problems.unsound(wrong, language)
    line, now = line_messages(messages, found), head(found)
    saved = {
        "messages": dump(messages),
        "line": fragment(line),
        "tokens": count_example(line),
        "teaches": now.teaches,
        "answers": now.answers,
        "by": by,
    }
    revision = await example_store.put_revision(connection, tenant, example_id, saved)
    await example_store.mark_saved(connection, tenant, example_id, revision)
    _tell(transaction, tenant, row["dialog_id"], example_id, "saved")
    await audit.record(
        connection, tenant=tenant, subject=by, action="example.saved", object_id=str(example_id),
        revision=revision,
    )  # fmt: skip
    return revision


async def remove_example(
    transaction: Transaction, *, tenant: str, by: str, example_id: UUID, seen: int | None
) -> None:
    """Take the example out of the dataset; frozen versions keep what they hold. Twice is no error."""
    row = await lock_example(transaction.connection, tenant, example_id, seen)
    if row["state"] == "removed":
        return
    await example_store.set_state(transaction.connection, tenant, example_id, "removed", by)
    if row["state"] == "saved":
        _tell(transaction, tenant, row["dialog_id"], example_id, "removed")
    await audit.record(
        transaction.connection, tenant=tenant, subject=by, action="example.removed",
        object_id=str(example_id),
    )  # fmt: skip


def _tell(
    transaction: Transaction,
    tenant: str,
    dialog_id: str | None,
    example_id: UUID,
    state: Literal["saved", "removed"],
) -> None:
    """Publish the change; an example written by hand has no dialog that could be marked."""
    if dialog_id is not None:
        event = DatasetChanged(dialog_id=dialog_id, example_id=str(example_id), state=state)
        transaction.publish(event, tenant=tenant)
