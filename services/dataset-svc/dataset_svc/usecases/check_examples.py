"""Check the examples that are due: a few at once where somebody waits, slices of many in a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import orjson

from chassis.database import Connection, Database, Transaction
from dataset_svc.domain.checks import CODES
from dataset_svc.domain.checks.copy import Checked, Copy, check_copies
from dataset_svc.domain.near import ALGORITHM
from dataset_svc.domain.personal import scan_version
from dataset_svc.domain.split import split_hash
from dataset_svc.outbound import agent_store, check_store, near_store, personal_store
from dataset_svc.outbound.row import Row
from dataset_svc.outbound.side_process import SideProcess
from dataset_svc.usecases.group_examples import can_group_now, group_now

AT_ONCE, SMALL = 32, 256 * 1024
"""Examples, and bytes of them, that a request checks itself, some 15 ms; the rest is the worker's."""
SLICE, LARGE = 64, 4 * 1024 * 1024
"""Examples, and bytes, in one transaction of the worker: who changes one waits as long, some 50 ms."""
PAUSE = 0.02
"""Seconds between slices that are not small: requests of others come first."""
BEAT = 3.0
"""Seconds after which the database hears of a transaction that computes: it ends those that idle for ten."""
FIRST = UUID(int=0)

Allowed = Sequence[tuple[str, str]]
Compute = Callable[[Sequence[Copy], str, str | None, Allowed], Awaitable[list[Checked]]]


async def catch_up(transaction: Transaction, *, tenant: str, dataset_id: UUID) -> int:
    """Check the last few changes of a dataset; returns how many examples still wait for the worker.

    In a small dataset they are grouped too; in a large one `settle` says what is left.
    What detectors older than this process's looked through is due again.
    """
    connection = transaction.connection
    if await check_store.has_outdated(connection, tenant, dataset_id, scan_version()):
        await check_store.wait_turn(connection, tenant, dataset_id)
        await check_store.queue_outdated(connection, tenant, dataset_id, scan_version())
    due = await check_store.count_due(connection, tenant, dataset_id)
    if due > AT_ONCE:
        return due
    if due:
        await check_store.wait_turn(connection, tenant, dataset_id)
        taken = await check_store.take_due(connection, tenant, dataset_id, due, SMALL, one_at_least=False)
        await _check_taken(connection, tenant, dataset_id, taken, _here)
        if len(taken) < due and (left := await check_store.count_due(connection, tenant, dataset_id)):
            return left
    if await can_group_now(connection, tenant, dataset_id):
        await check_store.wait_turn(connection, tenant, dataset_id)
        await group_now(connection, tenant, dataset_id)
    return 0


async def settle(transaction: Transaction, *, tenant: str, dataset_id: UUID) -> int:
    """The same; returns how many examples wait to be checked, and then to be grouped: a split needs both."""
    pending = await catch_up(transaction, tenant=tenant, dataset_id=dataset_id)
    return pending or await near_store.count_due(transaction.connection, tenant, dataset_id)


async def _here(copies: Sequence[Copy], prompt: str, tools: str | None, allowed: Allowed) -> list[Checked]:
    return check_copies(copies, prompt, tools, allowed)


class Checker:
    """The worker: datasets take turns, so that a large one keeps no other waiting."""

    def __init__(self, database: Database, side: SideProcess) -> None:
        self._database = database
        self._side = side
        self._last = ("", FIRST)
        self._looks_for_outdated = True

    async def check_next(self) -> bool:
        """Check one slice of the next dataset that has examples due; returns whether there was one."""
        async with self._database.transaction() as transaction:
            connection = transaction.connection
            found = await check_store.next_due(connection, *self._last)
            if found is None and self._last != ("", FIRST):
                found = await check_store.next_due(connection, "", FIRST)
            if found is None:
                return await self._queue_outdated(connection)
            self._last = (found["tenant_id"], found["dataset_id"])
            if not await check_store.try_turn(connection, *self._last):
                return False
            taken = await check_store.take_due(connection, *self._last, SLICE, LARGE, one_at_least=True)
            await _check_taken(connection, *self._last, taken, self._compute)
        if len(taken) > AT_ONCE:
            await asyncio.sleep(PAUSE)
        return bool(taken)

    async def _queue_outdated(self, connection: Connection) -> bool:
        """Once after a start: let what older detectors looked through be due, a dataset at a time."""
        if not self._looks_for_outdated:
            return False
        found = await check_store.next_outdated(connection, scan_version())
        if found is None:
            self._looks_for_outdated = False
            return False
        turn = (found["tenant_id"], found["dataset_id"])
        if not await check_store.try_turn(connection, *turn):
            return False
        await check_store.queue_outdated(connection, *turn, scan_version())
        return True

    async def _compute(
        self, copies: Sequence[Copy], prompt: str, tools: str | None, allowed: Allowed
    ) -> list[Checked]:
        size = sum(len(one.messages) + len(one.original) for one in copies)
        if len(copies) <= AT_ONCE and size <= SMALL:
            return check_copies(copies, prompt, tools, allowed)
        return await self._side.run(check_copies, copies, prompt, tools, allowed)


async def _check_taken(
    connection: Connection, tenant: str, dataset_id: UUID, due: Sequence[UUID], compute: Compute
) -> None:
    """Check examples that were taken out of the queue, and store what was found.

    The caller has the dataset's turn.
    """
    if not due:
        return
    agent = await agent_store.agent_of_dataset(connection, tenant, dataset_id)
    rows = await check_store.copies(connection, tenant, due)
    computed = compute(
        [
            Copy(row["id"], row["messages"], row["original"], row["ratings"], row["state"] == "saved")
            for row in rows
        ],
        agent["prompt"] if agent else "",
        orjson.dumps(agent["tools"]).decode() if agent else None,
        await personal_store.allowed(connection, tenant, dataset_id),
    )
    checked = await keep_awake(connection, computed)
    await _store(connection, tenant, dataset_id, due, rows, checked)


async def keep_awake(connection: Connection, work: Awaitable[list[Checked]]) -> list[Checked]:
    """Return what the work makes of it; the transaction meanwhile does not idle.

    One very long example could else never be checked, nor anything behind it.
    """
    running = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({running}, timeout=BEAT))[0]:
            await connection.execute("SELECT 1")
        return await running
    finally:
        running.cancel()


async def _store(
    connection: Connection,
    tenant: str,
    dataset_id: UUID,
    due: Sequence[UUID],
    rows: Sequence[Row],
    checked: Sequence[Checked],
) -> None:
    """Put what was found in the place of what had been, and compare with the other examples.

    Signatures are compared later; one that did not change stays in its group, and its finding is back.
    """
    contents, questions = await check_store.forget(connection, tenant, due)
    if checked:
        by_id = {row["id"]: row for row in rows}
        checks = [_check(by_id[one.example_id], one) for one in checked]
        await check_store.put_checks(connection, tenant, dataset_id, checks)
    if findings := [row for one in checked for row in _findings(one)]:
        await check_store.put_findings(connection, tenant, dataset_id, findings)
    if corrected := [row for one in checked for row in _corrected(one)]:
        await check_store.put_corrected(connection, tenant, dataset_id, corrected)
    contents |= {one.content_sha256 for one in checked}
    questions |= {answer.question for one in checked for answer in one.corrected}
    await check_store.mark_duplicates(connection, tenant, dataset_id, list(contents))
    if questions:
        await check_store.mark_contradictions(connection, tenant, dataset_id, list(questions))
    await _store_signatures(connection, tenant, dataset_id, due, checked)


async def _store_signatures(
    connection: Connection,
    tenant: str,
    dataset_id: UUID,
    due: Sequence[UUID],
    checked: Sequence[Checked],
) -> None:
    """Keep the signatures of what is saved; those of drafts and of removed examples go."""
    kept = [
        (one.example_id, one.sketch.signature, one.sketch.shingles)
        for one in checked
        if one.sketch is not None
    ]
    with_one = {row[0] for row in kept}
    if gone := [one for one in due if one not in with_one]:
        await near_store.drop_signatures(connection, tenant, gone)
    if kept:
        await near_store.put_signatures(connection, tenant, dataset_id, ALGORITHM, kept)
    if groups := await near_store.groups_of(connection, tenant, list(with_one)):
        await near_store.mark_near(connection, tenant, dataset_id, groups, [])


def _check(row: Row, one: Checked) -> tuple[Any, ...]:
    dialog = row["dialog_id"] or str(row["id"])
    under = one.answered_under if row["answered_here"] else None
    return (one.example_id, row["state"], row["revision"], dialog, split_hash(dialog), one.content_sha256,
            one.tokens, under, scan_version())  # fmt: skip


def _findings(one: Checked) -> list[tuple[Any, ...]]:
    return [
        (one.example_id, code, number, CODES[code].severity, place)
        for number, (code, place) in enumerate(one.findings)
    ]


def _corrected(one: Checked) -> list[tuple[Any, ...]]:
    return [
        (one.example_id, answer.number, answer.message_id, answer.question, answer.answer)
        for answer in one.corrected
    ]
