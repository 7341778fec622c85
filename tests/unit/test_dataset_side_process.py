"""The side process: works elsewhere, is replaced when it dies, ends when idle and with its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import psutil
import pytest

from dataset_svc.outbound.side_process import NICENESS, SideProcess, SideProcessLostError
from tests.harness import until


async def test_it_works_in_another_process_of_lower_priority() -> None:
    side = SideProcess()
    pid = await side.run(os.getpid)
    assert pid != os.getpid()
    assert psutil.Process(pid).nice() == min(os.getpriority(os.PRIO_PROCESS, 0) + NICENESS, 19)
    await side.close()
    assert not psutil.pid_exists(pid)


async def test_one_that_dies_is_replaced() -> None:
    side = SideProcess()
    pid = await side.run(os.getpid)
    with pytest.raises(SideProcessLostError):
        await side.run(os.kill, pid, signal.SIGKILL)
    assert await side.run(os.getpid) != pid
    await side.close()


async def test_it_ends_when_idle_and_starts_again() -> None:
    side = SideProcess(idle=0.1)
    pid = await side.run(os.getpid)

    async def gone() -> bool:
        return not psutil.pid_exists(pid)

    await until(gone)
    assert await side.run(len, "abc") == 3
    await side.close()


async def test_an_error_of_the_work_is_the_callers() -> None:
    side = SideProcess()
    with pytest.raises(ValueError, match="invalid literal"):
        await side.run(int, "x")
    await side.close()


PARENT = """
import asyncio, os
from dataset_svc.outbound.side_process import SideProcess
async def main():
    print(await SideProcess().run(os.getpid), flush=True)
    await asyncio.sleep(60)
if __name__ == "__main__":
    asyncio.run(main())
"""


def killed_parent() -> int:
    """Start a parent, kill it while its side process runs; that one's pid."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    return pid


async def test_it_never_outlives_a_parent_that_was_killed() -> None:
    pid = await asyncio.to_thread(killed_parent)

    async def gone() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    await until(gone)
