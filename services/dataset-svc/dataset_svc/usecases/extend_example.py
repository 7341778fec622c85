"""Take in how a dialog went on after its example was opened: "add the 4 new messages"."""

from __future__ import annotations

from uuid import UUID

from chassis import audit
from chassis.database import Transaction
from chassis.objects import ObjectStore
from dataset_svc.domain import problems
from dataset_svc.domain.message import load
from dataset_svc.outbound import candidate_store, example_store
from dataset_svc.usecases.edit_example import lock_present, put_working_copy
from dataset_svc.usecases.open_example import messages_of


async def extend_example(
    transaction: Transaction,
    objects: ObjectStore,
    *,
    tenant: str,
    by: str,
    example_id: UUID,
    seen: int | None,
) -> None:
    """Add the messages of the branch's newest revision to original and working copy.

    Raises a 409 Problem when the dialog has none that the example lacks.
    """
    connection = transaction.connection
    await lock_present(connection, tenant, example_id, seen)
    row = await example_store.get(connection, tenant, example_id)
    if row is None or row["newer_revision"] is None:
        raise problems.nothing_new()
    newest = await candidate_store.get_candidate(
        connection, tenant, row["dialog_id"], row["newer_revision"], row["branch"]
    )
    if newest is None:
        raise problems.nothing_new()
    transcript = await messages_of(newest, tenant, objects)
    # a branch only grows: what it had before is the beginning of what it has now
    original = [*row["original"], *transcript[len(row["original"]) :]]
    present = {one["id"] for one in row["draft"]}
    news = [one for one in transcript[row["origin_count"] :] if one["id"] not in present]
    await example_store.set_original(connection, tenant, example_id, original)
    grown = await lock_present(connection, tenant, example_id)
    await put_working_copy(
        transaction, tenant, by, grown, load([*row["draft"], *news]),
        [{"op": "extend", "message_id": one["id"]} for one in news[:100]],
    )  # fmt: skip
    await example_store.set_origin(connection, tenant, example_id, newest["revision"], len(transcript))
    await audit.record(
        connection, tenant=tenant, subject=by, action="example.extended", object_id=str(example_id),
        revision=newest["revision"], messages=len(news),
    )  # fmt: skip
