"""Change many examples by one call, a few at each turn, and say which could not be changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import audit
from chassis.database import Connection, Transaction
from chassis.errors import Problem
from dataset_svc.domain import problems
from dataset_svc.domain.change import DRAFT, Change, changed
from dataset_svc.domain.edits import EditRefusedError
from dataset_svc.domain.filter import Filter
from dataset_svc.domain.labels import retag
from dataset_svc.domain.message import load
from dataset_svc.outbound import agent_store, example_store, listing_store, operation_store
from dataset_svc.outbound.operation_store import Failure
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.edit_example import lock_example, put_working_copy
from dataset_svc.usecases.pseudonymise_example import pseudonymise_and_save
from dataset_svc.usecases.save_example import remove_example, restore_example, save_example

Arguments = dict[str, Any]
TURN = 25
"""Examples that one transaction changes: saving checks each and counts its tokens."""


async def begin_change(
    transaction: Transaction,
    *,
    tenant: str,
    by: str,
    dataset_id: UUID,
    action: str,
    arguments: Arguments,
    ids: Sequence[UUID] | None,
    wanted: Filter,
) -> UUID:
    """Evaluate once which examples are meant and begin to change them; returns the operation.

    A few are changed at once, more by the worker. Raises a 404 Problem without the dataset.
    """
    connection, operation_id = transaction.connection, uuid7()
    if await agent_store.get_dataset(connection, tenant, dataset_id) is None:
        raise problems.no_dataset()
    await operation_store.create(
        connection, tenant, operation_id=operation_id, dataset_id=dataset_id, action=action,
        arguments=arguments, state="running", by=by,
    )  # fmt: skip
    count, unknown = await _choose(connection, tenant, operation_id, dataset_id, ids, wanted)
    await operation_store.advance(
        connection, tenant, operation_id, state="running", position={}, total=count + unknown, failed=unknown
    )
    await audit.record(
        connection, tenant=tenant, subject=by, action=f"examples.{action}", object_id=str(operation_id),
        dataset_id=str(dataset_id), examples=count,
    )  # fmt: skip
    if count <= TURN:
        await take_turn(transaction, tenant, operation_id)
    return operation_id


async def _choose(
    connection: Connection,
    tenant: str,
    operation_id: UUID,
    dataset_id: UUID,
    ids: Sequence[UUID] | None,
    wanted: Filter,
) -> tuple[int, int]:
    """Write down which examples are meant; returns how many, and how many ids are unknown."""
    unknown: list[UUID] = []
    if ids is None:
        await operation_store.add_by_filter(connection, tenant, operation_id, dataset_id, wanted)
    else:
        known = set(await operation_store.add_by_ids(connection, tenant, operation_id, dataset_id, ids))
        unknown = [one for one in dict.fromkeys(ids) if one not in known]
    await operation_store.put_failures(
        connection, tenant, operation_id,
        [failure(place, one, problems.no_example()) for place, one in enumerate(unknown, 1)],
    )  # fmt: skip
    return await operation_store.count_items(connection, tenant, operation_id), len(unknown)


async def count_change(
    transaction: Transaction, *, tenant: str, dataset_id: UUID, ids: Sequence[UUID] | None, wanted: Filter
) -> tuple[int, list[UUID]]:
    """Return how many examples a call would be about, and which of the ids are unknown."""
    connection = transaction.connection
    if await agent_store.get_dataset(connection, tenant, dataset_id) is None:
        raise problems.no_dataset()
    if ids is None:
        return await listing_store.count_examples(connection, tenant, dataset_id, wanted), []
    known = await operation_store.known_ids(connection, tenant, dataset_id, ids)
    return len(known), [one for one in dict.fromkeys(ids) if one not in known]


async def take_turn(transaction: Transaction, tenant: str, operation_id: UUID) -> None:
    """Change the next few examples of a running operation."""
    connection = transaction.connection
    operation = await operation_store.lock(connection, tenant, operation_id)
    if operation is None or operation["state"] != "running":
        return
    items = await operation_store.next_items(connection, tenant, operation_id, "waiting", TURN + 1)
    failures: list[Failure] = []
    for item in items[:TURN]:
        place = operation["failed"] + len(failures) + 1
        failed = await _change(transaction, tenant, operation, item["example_id"], place)
        failures += [failed] if failed else []
    if failures:
        await operation_store.put_failures(connection, tenant, operation_id, failures)
    await operation_store.advance(
        connection, tenant, operation_id, state="running" if len(items) > TURN else "done", position={},
        done=min(len(items), TURN) - len(failures), failed=len(failures),
    )  # fmt: skip


async def _change(
    transaction: Transaction, tenant: str, operation: Row, example_id: UUID, place: int
) -> Failure | None:
    """Change one example; returns why not, with nothing of it changed."""
    connection, change, failed = transaction.connection, Change(), None
    try:
        async with connection.transaction():
            row = await lock_example(connection, tenant, example_id)
            act = ACTS[operation["action"]]
            change = await act(transaction, tenant, operation["asked_by"], row, operation["arguments"])
    except Problem as problem:
        failed = failure(place, example_id, problem)
    await operation_store.settle_item(
        connection, tenant, operation["id"], example_id, "failed" if failed else "done", change
    )
    return failed


async def _save(transaction: Transaction, tenant: str, by: str, row: Row, _: Arguments) -> Change:
    if row["state"] == "saved" and row["saved_draft"] == row["draft_revision"]:
        return Change()
    return await save_example(transaction, tenant=tenant, by=by, row=row)


async def _remove(transaction: Transaction, tenant: str, by: str, row: Row, _: Arguments) -> Change:
    return await remove_example(transaction, tenant=tenant, by=by, row=row)


async def _restore(transaction: Transaction, tenant: str, by: str, row: Row, _: Arguments) -> Change:
    return await restore_example(transaction, tenant=tenant, by=by, row=row)


async def _retag(transaction: Transaction, tenant: str, by: str, row: Row, arguments: Arguments) -> Change:
    try:
        tags = retag(row["tags"], arguments.get("add", ()), arguments.get("remove", ()))
    except EditRefusedError as error:
        raise problems.refused(error) from None
    change = changed(row, tags=list(tags))
    if change.after:
        await example_store.set_columns(transaction.connection, tenant, row["id"], change.after, by)
        await _note(transaction, tenant, by, row, "tags")
    return change


async def _reweigh(transaction: Transaction, tenant: str, by: str, row: Row, arguments: Arguments) -> Change:
    """Let all answers teach (1), none (0), or those that do by default (None)."""
    if row["state"] == "removed":
        raise problems.removed()
    before = load(row["draft"])
    after = tuple(replace(one, weight=arguments["weight"]) if one.is_answer else one for one in before)
    if after == before:
        return Change()
    told = [{"op": "weight", "message_id": None}]
    revision = await put_working_copy(transaction, tenant, by, row, after, told, step=None)
    await _note(transaction, tenant, by, row, "weight")
    return Change({DRAFT: row["draft"]}, {DRAFT: revision})


async def _note(transaction: Transaction, tenant: str, by: str, row: Row, op: str) -> None:
    await audit.record(
        transaction.connection, tenant=tenant, subject=by, action="example.edited",
        object_id=str(row["id"]), changes=[{"op": op, "message_id": None}],
    )  # fmt: skip


async def _pseudonymise(transaction: Transaction, tenant: str, by: str, row: Row, _: Arguments) -> Change:
    return await pseudonymise_and_save(transaction, tenant=tenant, by=by, row=row)


ACTS: Mapping[str, Callable[[Transaction, str, str, Row, Arguments], Awaitable[Change]]] = {
    "save": _save,
    "remove": _remove,
    "restore": _restore,
    "add_tags": _retag,
    "remove_tags": _retag,
    "set_weights": _reweigh,
    "pseudonymise": _pseudonymise,
}


def failure(place: int, example_id: UUID | None, problem: Problem) -> Failure:
    """Return a refusal as it is listed."""
    return Failure(
        place, example_id, problem.code, problem.field, problem.extra.get("message_id"),
        problem.detail.en, problem.detail.ru,
    )  # fmt: skip
