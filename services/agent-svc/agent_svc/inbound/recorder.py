"""Records turns after their last byte, in the background: one writer a process, many turns a transaction."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

from agent_svc.usecases.record_turns import Turn, record_turns
from chassis.database import Database
from chassis.errors import describe
from chassis.observability import log

MOST_AT_ONCE = 100
MOST_WAITING = 20_000
LONGEST_PAUSE = 5.0
LAST_CALL = 4.0
WAIT_FOR_OTHERS = 0.1


class Recorder:
    """Takes turns in and writes them down; a lost database is waited for, a lost Kafka not noticed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Turn] = []
        self._come = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    def record(self, turn: Turn) -> None:
        """Take a turn in; `drain` waits for it."""
        if len(self._waiting) >= MOST_WAITING:
            log().error("recording_full", waiting=len(self._waiting))
            return
        self._waiting.append(turn)
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
        longest = 0.0
        for tenant, turns in by_tenant.items():
            try:
                later = await record_turns(self._database, tenant, turns)
            except Exception as error:
                log().error("recording_failed", error=describe(error), turns=len(turns))
                later, longest = turns, min(max(pause * 2, 0.1), LONGEST_PAUSE)
            left += later
        self._waiting += left
        if left and len(left) == len(self._waiting):
            return max(longest, WAIT_FOR_OTHERS)
        return longest
