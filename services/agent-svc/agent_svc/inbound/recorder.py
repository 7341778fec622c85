"""Records turns after their last byte, in the background: one writer a process, many turns a transaction."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from agent_svc.usecases.record_turns import Turn, record_turns
from chassis.database import Database
from chassis.errors import describe, is_transient
from chassis.observability import log

MOST_AT_ONCE = 100
MOST_WAITING = 20_000
MOST_BYTES = 268_435_456
LONGEST_PAUSE = 5.0
LAST_CALL = 4.0
WAIT_FOR_OTHERS = 0.1


class Recorder:
    """Takes turns in and writes them down; a lost database is waited for, a lost Kafka not noticed.

    One that cannot be written is left out: it must not hold up the others.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Turn] = []
        self._bytes = 0
        self._come = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def record(self, turn: Turn) -> None:
        """Take a turn in; `drain` waits for it."""
        if len(self._waiting) >= MOST_WAITING or self._bytes + turn.size > MOST_BYTES:
            log().error("recording_full", waiting=len(self._waiting), size=self._bytes)
            return
        self._waiting.append(turn)
        self._bytes += turn.size
        self._come.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def drain(self) -> None:
        """Write down what is there, for as long as the process has."""
        self._closing = True
        self._come.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=LAST_CALL)

    async def _run(self) -> None:
        pause = 0.0
        until = float("inf")
        while self._waiting or not self._closing:
            if self._closing:
                until = min(until, time.monotonic() + LAST_CALL)
                if time.monotonic() >= until:
                    return
            if not self._waiting:
                self._come.clear()
                await self._come.wait()
                continue
            pause = await self._write(pause)
            if pause:
                await asyncio.sleep(pause)

    async def _write(self, pause: float) -> float:
        """Write what can be written; returns the seconds to wait before the next attempt."""
        taken, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        by_tenant: dict[str, list[Turn]] = defaultdict(list)
        for turn in taken:
            by_tenant[turn.tenant].append(turn)
        left: list[Turn] = []
        failed = False
        for tenant, turns in by_tenant.items():
            later, lost = await self._written(tenant, turns)
            left += later
            failed = failed or lost
        self._waiting += left
        self._bytes -= sum(turn.size for turn in taken) - sum(turn.size for turn in left)
        if failed:
            return min(max(pause * 2, 0.1), LONGEST_PAUSE)
        return WAIT_FOR_OTHERS if len(left) == len(taken) else 0.0

    async def _written(self, tenant: str, turns: Sequence[Turn]) -> tuple[Sequence[Turn], bool]:
        """Write turns of a tenant; returns (those to be tried again, whether the database was not there)."""
        try:
            return await record_turns(self._database, tenant, turns), False
        except Exception as error:
            log().error("recording_failed", error=describe(error), turns=len(turns))
            if is_transient(error):
                return turns, True
        if len(turns) == 1:
            # what cannot be written gives at least its turn up; what cannot even that, runs out
            return [replace(turn, counts=False) for turn in turns if turn.counts], False
        left: list[Turn] = []
        failed = False
        for turn in sorted(turns, key=lambda turn: turn.number or 0):
            later, lost = ([turn], True) if failed else await self._written(tenant, [turn])
            left += later
            failed = failed or lost
        return left, failed
