"""Undo and redo: take the working copy back to what it was before a change, or before an undo."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from chassis import audit
from chassis.database import Transaction
from dataset_svc.domain import problems
from dataset_svc.domain.message import load
from dataset_svc.domain.steps import Step, to_redo, to_undo
from dataset_svc.outbound import example_store, step_store
from dataset_svc.usecases.edit_example import lock_present, put_working_copy
from dataset_svc.usecases.undo_operation import note_in_step


async def step_back(
    transaction: Transaction,
    *,
    tenant: str,
    by: str,
    example_id: UUID,
    seen: int | None,
    step: Literal["undo", "redo"],
) -> None:
    """Undo the last change of the working copy, or the last undo. Raises a 409 Problem when there is none."""
    connection = transaction.connection
    row = await lock_present(connection, tenant, example_id, seen)
    known = await step_store.steps(connection, tenant, example_id)
    steps = [Step(one["draft_revision"], one["step"], one["known"]) for one in known]
    target = to_undo(steps) if step == "undo" else to_redo(steps)
    if target is None:
        raise problems.no_step(step)
    before = await step_store.before(connection, tenant, example_id, target.revision)
    now, then = ({one["id"]: one for one in messages} for messages in (row["draft"], before["messages"]))
    touched = sorted(name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    await put_working_copy(
        transaction, tenant, by, row, load(before["messages"]),
        [{"op": step, "message_id": name} for name in touched[:100] or [None]], step=step,
    )  # fmt: skip
    await example_store.set_labels(connection, tenant, example_id, before["note"], before["tags"])
    await example_store.set_origin(connection, tenant, example_id, *before["origin"])
    await note_in_step(transaction, tenant, row, before["messages"])
    await audit.record(
        connection, tenant=tenant, subject=by, action=f"example.{step}", object_id=str(example_id)
    )
