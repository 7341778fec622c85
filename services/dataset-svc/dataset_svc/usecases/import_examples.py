"""Import examples from a file of lines: read a stretch, check it off the event loop, store it, go on.

How far an import has come commits with what it stored, so a crash loses and repeats nothing. In
all-or-nothing the whole file is gone through once before the first line is stored; what only shows
while storing (a dialog named twice, or erased meanwhile) lets what was stored be taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from chassis import audit
from chassis.database import Connection, Database, Transaction
from chassis.errors import Problem, Text
from chassis.objects import ObjectStore, Stored
from contracts.datasets import DatasetChanged
from dataset_svc.domain import problems
from dataset_svc.domain.incoming import Incoming
from dataset_svc.domain.weights import Ratings, head, weights
from dataset_svc.outbound import agent_store, candidate_store, example_store, import_store, operation_store
from dataset_svc.outbound.import_store import NewRow
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.change_examples import failure
from dataset_svc.usecases.read_stretch import Stretch, line_too_long, read_stretch
from dataset_svc.usecases.save_example import ready_to_save

IMPORT = "import"
ReadLine = Callable[[bytes, str], Incoming]
Checked = NewRow | Problem


@dataclass(frozen=True, slots=True)
class Options:
    """How a file is to be taken; `state` None leaves it to the lines."""

    format: str
    mode: str
    state: str | None

    def json(self) -> dict[str, Any]:
        """Return them as an operation keeps them."""
        return {"format": self.format, "mode": self.mode, "state": self.state}


async def begin_import(
    transaction: Transaction, *, tenant: str, by: str, dataset_id: UUID, options: Options, stored: Stored
) -> UUID:
    """Let the worker import a file that was uploaded whole; returns the operation.

    Raises a 404 Problem without the dataset.
    """
    connection, operation_id = transaction.connection, uuid7()
    if await agent_store.get_dataset(connection, tenant, dataset_id) is None:
        raise problems.no_dataset()
    arguments = options.json() | {"uri": stored.uri, "bytes": stored.bytes, "sha256": stored.sha256}
    await operation_store.create(
        connection, tenant, operation_id=operation_id, dataset_id=dataset_id, action=IMPORT,
        arguments=arguments, state="running", by=by,
    )  # fmt: skip
    await audit.record(
        connection, tenant=tenant, subject=by, action="examples.import", object_id=str(operation_id),
        dataset_id=str(dataset_id), sha256=stored.sha256, **options.json(),
    )  # fmt: skip
    return operation_id


class Importer:
    """Takes turns at imports; `read` makes an example of a line or raises a Problem."""

    def __init__(self, database: Database, objects: ObjectStore, read: ReadLine) -> None:
        self._database = database
        self._objects = objects
        self._read = read

    async def take_turn(self, operation: Row) -> None:
        """Go on by up to 500 lines."""
        tenant, arguments, position = operation["tenant_id"], operation["arguments"], operation["position"]
        stretch = await read_stretch(
            self._objects, tenant, arguments, position.get("line", 0), position.get("offset", 0)
        )
        # pure Python on another thread: the event loop stays free to answer
        checked = await asyncio.to_thread(self._check, stretch.lines, arguments)
        async with self._database.transaction() as transaction:
            now = await operation_store.lock(transaction.connection, tenant, operation["id"])
            if now is None or now["state"] != "running" or now["position"] != position:
                return  # another process was faster
            over = await _settle(transaction, now, stretch, checked)
        if over:
            await self.delete_file(operation)

    async def delete_file(self, operation: Row) -> None:
        """Delete the file of an import that reads no more of it: an erasure would not look into it."""
        await self._objects.delete(operation["arguments"]["uri"], operation["tenant_id"])

    def _check(
        self, lines: Sequence[tuple[int, bytes | None]], arguments: Mapping[str, Any]
    ) -> dict[int, Checked]:
        """Return for each line that is not blank the example that it becomes, or why it cannot."""
        checked: dict[int, Checked] = {}
        for number, raw in lines:
            try:
                if raw is None:
                    raise line_too_long()
                if raw.strip():
                    checked[number] = _row(number, self._read(raw, arguments["format"]), arguments["state"])
            except Problem as problem:
                checked[number] = problem
        return checked


def _row(number: int, incoming: Incoming, state: str | None) -> NewRow:
    ratings = Ratings(incoming.ratings)
    saved = None
    if (state or incoming.state) == "saved":
        saved = ready_to_save(incoming.saved or incoming.draft, incoming.original, ratings)
    now = head(weights(incoming.draft, incoming.original, ratings))
    return NewRow(number, uuid7(), incoming, saved, now.teaches, now.answers)


async def _settle(
    transaction: Transaction, operation: Row, stretch: Stretch, checked: dict[int, Checked]
) -> bool:
    """Store what a stretch became and how far the import is; returns whether it is over."""
    connection, tenant = transaction.connection, operation["tenant_id"]
    whole = is_whole(operation)
    checking = whole and not operation["position"].get("checked")
    rows = [one for one in checked.values() if isinstance(one, NewRow)]
    refused = await _refused(connection, tenant, operation["dataset_id"], rows, lock=not checking)
    bad = {number: one for number, one in checked.items() if isinstance(one, Problem)} | refused
    await operation_store.put_failures(
        connection, tenant, operation["id"],
        [failure(number, None, problem) for number, problem in sorted(bad.items())],
    )  # fmt: skip
    good = [] if checking or (whole and bad) else [one for one in rows if one.line not in refused]
    await _store(transaction, operation, good)
    state, position = _next(operation, stretch, checking=checking, bad=len(bad))
    await operation_store.advance(
        connection, tenant, operation["id"], state=state, position=position,
        total=max(stretch.line, operation["total"]), done=len(good), failed=len(bad),
    )  # fmt: skip
    if whole and bad and not checking:
        await refuse_whole(connection, operation, position)
        return True
    return state != "running"


def _next(operation: Row, stretch: Stretch, *, checking: bool, bad: int) -> tuple[str, dict[str, Any]]:
    """Return the state of an import after a stretch, and where it goes on."""
    at_end = stretch.offset >= operation["arguments"]["bytes"]
    here: dict[str, Any] = {"line": stretch.line, "offset": stretch.offset}
    if not checking:
        return "done" if at_end else "running", here | {"checked": True}
    if at_end and operation["failed"] + bad:
        return "refused", here
    return "running", {"line": 0, "offset": 0, "checked": True} if at_end else here


def is_whole(operation: Row) -> bool:
    """Whether this is an import of all or nothing."""
    return bool(operation["action"] == IMPORT and operation["arguments"]["mode"] == "all_or_nothing")


async def refuse_whole(connection: Connection, operation: Row, position: Mapping[str, Any]) -> None:
    """Refuse an import of all or nothing: the next turns take back what it stored."""
    tenant, operation_id = operation["tenant_id"], operation["id"]
    await operation_store.advance(
        connection, tenant, operation_id, state="undoing", position={**position, "refused": True}
    )
    await operation_store.begin_undo(connection, tenant, operation_id, operation["asked_by"])


async def _refused(
    connection: Connection, tenant: str, dataset_id: UUID, rows: Sequence[NewRow], *, lock: bool
) -> dict[int, Problem]:
    """Return the lines whose dialog was erased or is in the dataset already, with why.

    With `lock` it stays so until the transaction ends.
    """
    origins = {one.line: (tenant, one.incoming.origin) for one in rows if one.incoming.origin}
    if not origins:
        return {}
    slots = list(origins.values())
    if lock:
        await candidate_store.lock_dialogs(connection, slots)
    erased = await candidate_store.erased(connection, slots)
    refused = {line: problems.dialog_erased() for line, slot in origins.items() if slot in erased}
    named = {one.line: (one.incoming.dialog_id, one.incoming.branch) for one in rows}
    dialogs = {line: (dialog, branch) for line, (dialog, branch) in named.items() if dialog is not None}
    taken = await import_store.known_dialogs(connection, tenant, dataset_id, list(dialogs.values()))
    for line, dialog in dialogs.items():
        if dialog in taken:
            refused.setdefault(line, already_there())
        taken.add(dialog)
    return refused


async def _store(transaction: Transaction, operation: Row, rows: Sequence[NewRow]) -> None:
    if not rows:
        return
    connection, tenant, by = transaction.connection, operation["tenant_id"], operation["asked_by"]
    await import_store.insert_examples(connection, tenant, operation["dataset_id"], by, rows)
    await import_store.insert_revisions(connection, tenant, operation["dataset_id"], by, rows)
    await import_store.insert_items(connection, tenant, operation["id"], rows)
    saved = {
        row.incoming.dialog_id: row.id for row in rows if row.saved is not None and row.incoming.dialog_id
    }
    await example_store.lock_membership(connection, tenant, list(saved))
    for dialog_id, example_id in saved.items():
        event = DatasetChanged(dialog_id=dialog_id, example_id=example_id, state="saved")
        transaction.publish(event, tenant=tenant)


def already_there() -> Problem:
    """Return the refusal of a line whose dialog has an example."""
    return Problem(
        409, "already_in_dataset",
        Text("The dialog's example is in the dataset already.", "Пример этого диалога уже в датасете."),
        field="dialog_id",
    )  # fmt: skip
