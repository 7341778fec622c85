"""A second process for work that would keep the event loop from answering; it ends when idle."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from chassis.errors import Transient

IDLE = 60.0
"""Seconds without work after which the process ends: it holds the vocabulary, 30 MB."""
NICENESS = 10

P = ParamSpec("P")
T = TypeVar("T")


class SideProcessLostError(Transient):
    """The process died with the work; the next call starts another one."""


class SideProcess:
    """Runs functions one after the other in a process of lower priority, started when needed."""

    def __init__(self, idle: float = IDLE) -> None:
        self._idle = idle
        self._pool: ProcessPoolExecutor | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._running = 0

    async def run(self, function: Callable[P, T], *args: P.args, **_: P.kwargs) -> T:
        """Return what the function returns; it and its arguments must be picklable."""
        pool = self._started()
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, function, *args)
        except BrokenProcessPool:
            self._end(pool)
            raise SideProcessLostError("the side process died") from None
        finally:
            self._running -= 1
            self._ending = asyncio.get_running_loop().call_later(self._idle, self._end_idle)

    async def close(self) -> None:
        """End the process; work at hand is waited for."""
        if self._ending is not None:
            self._ending.cancel()
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        if self._ending is not None:
            self._ending.cancel()
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_settle)
        return self._pool

    def _end_idle(self) -> None:
        if not self._running and self._pool is not None:
            self._end(self._pool)

    def _end(self, pool: ProcessPoolExecutor) -> None:
        pool.shutdown(wait=False)
        if self._pool is pool:
            self._pool = None


def _settle() -> None:
    """Leave signals to the parent, give way to it, and never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(0)
