"""Decide on a suggestion: take the dialog as an example, skip it, put it off, or let it be open again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import audit
from chassis.database import Transaction
from chassis.objects import ObjectStore
from dataset_svc.domain import suggestion_problems as problems
from dataset_svc.outbound import candidate_store, suggestion_store
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.open_example import Opened, TextExpiredError, create_from_candidate


async def accept_suggestion(
    transaction: Transaction,
    objects: ObjectStore,
    *,
    tenant: str,
    by: str,
    dataset_id: UUID,
    dialog_id: str,
    branch: str,
) -> Opened:
    """Make the example of what was suggested, or open the one there is; again leads to the same one.

    Raises a 404 Problem for what is not suggested, a 409 where the dialog's text has expired.
    """
    connection = transaction.connection
    await candidate_store.lock_dialog(connection, tenant, dialog_id)
    row = await _lock(transaction, tenant, dataset_id, dialog_id, branch)
    candidate = await candidate_store.get_candidate(connection, tenant, dialog_id, row["revision"], branch)
    if candidate is None:
        raise problems.no_suggestion()
    try:
        opened = await create_from_candidate(
            transaction, objects, tenant, candidate, dataset_id=dataset_id, example_id=uuid7(), by=by
        )
    except TextExpiredError:
        raise problems.text_expired() from None
    await suggestion_store.decide(connection, row, state="accepted", by=by, example_id=opened.id)
    if row["state"] != "accepted":
        await _note(transaction, tenant, by, "suggestion.accepted", row)
    return opened


async def skip_suggestion(
    transaction: Transaction, *, tenant: str, by: str, dataset_id: UUID, dialog_id: str, branch: str
) -> None:
    """Show it no more unless another reason comes; twice is no error."""
    row = await _undecided(transaction, tenant, dataset_id, dialog_id, branch)
    await suggestion_store.decide(transaction.connection, row, state="skipped", by=by)
    await _note(transaction, tenant, by, "suggestion.skipped", row)


async def snooze_suggestion(
    transaction: Transaction,
    *,
    tenant: str,
    by: str,
    dataset_id: UUID,
    dialog_id: str,
    branch: str,
    until: datetime,
) -> None:
    """Show it again from then on."""
    row = await _undecided(transaction, tenant, dataset_id, dialog_id, branch)
    await suggestion_store.decide(transaction.connection, row, state="snoozed", by=by, until=until)
    await _note(transaction, tenant, by, "suggestion.snoozed", row, until=until.isoformat())


async def reopen_suggestion(
    transaction: Transaction, *, tenant: str, by: str, dataset_id: UUID, dialog_id: str, branch: str
) -> None:
    """Undo a skip or a snooze; what is open stays so."""
    row = await _undecided(transaction, tenant, dataset_id, dialog_id, branch)
    await suggestion_store.decide(transaction.connection, row, state="open", by=by)
    await _note(transaction, tenant, by, "suggestion.reopened", row)


async def _undecided(
    transaction: Transaction, tenant: str, dataset_id: UUID, dialog_id: str, branch: str
) -> Row:
    """Return a suggestion, locked; raises a 409 Problem when the dialog is in the dataset."""
    row = await _lock(transaction, tenant, dataset_id, dialog_id, branch)
    if row["state"] == "accepted":
        raise problems.already_accepted(str(row["example_id"]))
    return row


async def _lock(transaction: Transaction, tenant: str, dataset_id: UUID, dialog_id: str, branch: str) -> Row:
    row = await suggestion_store.lock(transaction.connection, tenant, dataset_id, dialog_id, branch)
    if row is None:
        raise problems.no_suggestion()
    return row


async def _note(
    transaction: Transaction, tenant: str, by: str, action: str, row: Row, **more: object
) -> None:
    await audit.record(
        transaction.connection, tenant=tenant, subject=by, action=action, object_id=row["dialog_id"],
        branch=row["branch"], reasons=row["names"], **more,
    )  # fmt: skip
