"""Open an example: the graduate's cap on a dialog, or messages written by hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import audit
from chassis.database import Transaction
from chassis.errors import Permanent
from chassis.objects import ObjectStore
from contracts.dialogs import InlineTranscript
from dataset_svc.domain import problems
from dataset_svc.domain.message import Messages, dump, load
from dataset_svc.domain.weights import Ratings, head, weights
from dataset_svc.outbound import agent_store, candidate_store, example_store
from dataset_svc.outbound.row import Row


class TextExpiredError(Permanent):
    """The candidate's text was let go of when its time was over."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The example that a request led to."""

    id: UUID
    how: Literal["created", "existing", "pending"]


async def open_from_dialog(
    transaction: Transaction,
    objects: ObjectStore,
    *,
    tenant: str,
    by: str,
    dataset_id: UUID,
    dialog_id: str,
    revision: int,
) -> Opened:
    """Open the dialog's example in this dataset, make it, or wait for the revision.

    Raises a 404 Problem for an unknown dataset, a 410 for an erased dialog.
    """
    connection = transaction.connection
    dataset = await agent_store.get_dataset(connection, tenant, dataset_id)
    if dataset is None:
        raise problems.no_dataset()
    await candidate_store.lock_dialog(connection, tenant, dialog_id)
    if await candidate_store.is_erased(connection, tenant, dialog_id):
        raise problems.dialog_erased()
    candidate = await candidate_store.find_candidate(
        connection, tenant, dataset["agent_id"], dialog_id, revision
    )
    if candidate is None:
        wanted = uuid7()
        promised = await candidate_store.put_pending(
            connection, tenant, dataset_id=dataset_id, dialog_id=dialog_id, revision=revision,
            example_id=wanted, asked_by=by,
        )  # fmt: skip
        if promised == wanted:
            await _note(transaction, tenant, by, "example.awaited", promised, dialog_id)
        return Opened(promised, "pending")
    return await create_from_candidate(
        transaction, objects, tenant, candidate, dataset_id=dataset_id, example_id=uuid7(), by=by
    )


async def fill_pending(transaction: Transaction, objects: ObjectStore, pending: Row) -> None:
    """Make the example that was promised before its revision arrived, or lead to the one there is.

    A revision that is the same as one whose text has expired leaves it waiting: selecting brings the text.
    """
    tenant = pending["tenant_id"]
    candidate = await candidate_store.find_candidate(
        transaction.connection, tenant, pending["agent_id"], pending["dialog_id"], pending["revision"]
    )
    if candidate is None:
        return
    opened = await create_from_candidate(
        transaction, objects, tenant, candidate,
        dataset_id=pending["dataset_id"], example_id=pending["example_id"], by=pending["asked_by"],
    )  # fmt: skip
    if opened.how == "created":
        await candidate_store.drop_promise(transaction.connection, tenant, opened.id)
    else:
        await candidate_store.keep_promise(transaction.connection, tenant, pending["example_id"], opened.id)


async def create_from_candidate(
    transaction: Transaction,
    objects: ObjectStore,
    tenant: str,
    candidate: Row,
    *,
    dataset_id: UUID,
    example_id: UUID,
    by: str,
) -> Opened:
    """Make the example of a candidate, or open the one that its dialog's branch has."""
    connection, dialog_id = transaction.connection, candidate["dialog_id"]
    known = await example_store.find_by_dialog(connection, tenant, dataset_id, dialog_id, candidate["branch"])
    if known is not None and await _reopen(transaction, tenant, by, known["id"]):
        return Opened(known["id"], "existing")
    messages = load(await messages_of(candidate, tenant, objects))
    slot = (tenant, dialog_id)
    ratings = (await candidate_store.ratings_of(connection, [slot])).get(slot, {})
    await _insert(
        transaction, tenant, messages, ratings,
        id=example_id, dataset_id=dataset_id, dialog_id=dialog_id, branch=candidate["branch"],
        origin_revision=candidate["revision"], source=candidate["source"], by=by,
    )  # fmt: skip
    await _note(transaction, tenant, by, "example.opened", example_id, dialog_id)
    return Opened(example_id, "created")


async def open_from_messages(
    transaction: Transaction, *, tenant: str, by: str, dataset_id: UUID, messages: Messages
) -> Opened:
    """Make an example of messages that belong to no dialog; raises a 404 Problem without the dataset."""
    if await agent_store.get_dataset(transaction.connection, tenant, dataset_id) is None:
        raise problems.no_dataset()
    example_id = uuid7()
    await _insert(
        transaction, tenant, messages, {},
        id=example_id, dataset_id=dataset_id, dialog_id=None, branch="", origin_revision=None,
        source=None, by=by,
    )  # fmt: skip
    await _note(transaction, tenant, by, "example.opened", example_id, None)
    return Opened(example_id, "created")


async def open_copy(
    transaction: Transaction, *, tenant: str, by: str, dataset_id: UUID, from_example_id: UUID
) -> Opened:
    """Copy another agent's example into this dataset, or open the copy that is there.

    Raises a 404 Problem for an unknown dataset or example, a 422 within one dataset.
    """
    connection = transaction.connection
    if await agent_store.get_dataset(connection, tenant, dataset_id) is None:
        raise problems.no_dataset()
    source = await example_store.get(connection, tenant, from_example_id)
    if source is not None and (dialog_id := source["dialog_id"] or source["copied_dialog_id"]):
        await candidate_store.lock_dialog(connection, tenant, dialog_id)  # its erasure takes copies too
        source = await example_store.get(connection, tenant, from_example_id)
    if source is None:
        raise problems.no_example("from_example_id")
    if source["dataset_id"] == dataset_id:
        raise problems.same_dataset()
    known = await example_store.find_copy(connection, tenant, dataset_id, from_example_id)
    if known is not None and await _reopen(transaction, tenant, by, known["id"]):
        return Opened(known["id"], "existing")
    example_id = uuid7()
    await example_store.insert_copy(
        connection, tenant, example_id=example_id, dataset_id=dataset_id, source=from_example_id, by=by
    )
    await _note(transaction, tenant, by, "example.copied", example_id, source["dialog_id"])
    return Opened(example_id, "created")


async def _reopen(transaction: Transaction, tenant: str, by: str, example_id: UUID) -> bool:
    """Let an example be worked on again if it was removed; returns whether it is still there."""
    known = await example_store.lock(transaction.connection, tenant, example_id)
    if known is None:
        return False
    if known["state"] == "removed":
        await example_store.set_columns(
            transaction.connection, tenant, example_id, {"state": "draft", "removed_from": None}, by
        )
        await _note(transaction, tenant, by, "example.reopened", example_id, known["dialog_id"])
    return True


async def _insert(
    transaction: Transaction,
    tenant: str,
    messages: Messages,
    ratings: dict[str, dict[str, str]],
    **example: Any,
) -> None:
    now = head(weights(messages, messages, Ratings(ratings)))
    await example_store.insert(
        transaction.connection,
        tenant,
        {**example, "messages": dump(messages), "ratings": ratings, "teaches": now.teaches,
         "answers": now.answers},
    )  # fmt: skip


async def messages_of(candidate: Row, tenant: str, objects: ObjectStore) -> list[dict[str, Any]]:
    """Return a candidate's messages, from object storage where they are too large for a row.

    Raises TextExpiredError where neither is kept any more.
    """
    if candidate["transcript"] is not None:
        return list(candidate["transcript"])
    if candidate["uri"] is None:
        raise TextExpiredError("the text of the candidate has expired")
    body = await objects.read(candidate["uri"], tenant, candidate["sha256"])
    transcript = InlineTranscript.model_validate_json(body)
    return [one.model_dump(mode="json", exclude_none=True) for one in transcript.messages]


async def _note(
    transaction: Transaction, tenant: str, by: str, action: str, example_id: UUID, dialog_id: str | None
) -> None:
    await audit.record(
        transaction.connection,
        tenant=tenant,
        subject=by,
        action=action,
        object_id=str(example_id),
        dialog_id=dialog_id,
    )
