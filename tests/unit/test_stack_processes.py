"""Child processes: readiness, stopping, never outliving their launcher."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.stack.processes import Process, ProcessError, http_ok, identity, port_answers
from deploy.stack.settings import free_ports

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""
WITH_CHILD = """
import subprocess, time
print(subprocess.Popen(["sleep", "60"]).pid, flush=True)
time.sleep(60)
"""
LAUNCHER = """
import os, time
from pathlib import Path
from deploy.stack.processes import Process
command = ["sh", "-c", "echo up; exec sleep 60"]
child = Process("child", command, log=Path("child.log"), env=os.environ, cwd=Path("."))
child.start()
while "up" not in child.log.read_text():  # the kernel knows of the tie once the child runs
    time.sleep(0.01)
print(child.pid, flush=True)
time.sleep(60)
"""


def process(folder: Path, code: str, grace: float = 30.0) -> Process:
    return Process(
        "child",
        [sys.executable, "-c", code],
        log=folder / "child.log",
        env=os.environ,
        cwd=folder,
        grace=grace,
    )


async def logged(child: Process) -> str:
    async with asyncio.timeout(20):
        while not (child.log.exists() and (text := child.log.read_text().strip())):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return text


async def no() -> bool:
    return False


async def gone(pid: int) -> bool:
    async with asyncio.timeout(20):
        while identity(pid) is not None:  # noqa: ASYNC110 -- somebody else's child
            await asyncio.sleep(0.02)
    return True


async def test_a_child_that_ends_before_it_is_ready_shows_its_log(tmp_path: Path) -> None:
    child = process(tmp_path, "print('no such thing'); raise SystemExit(7)")
    child.start()
    with pytest.raises(ProcessError, match=r"(?s)status 7.*no such thing"):
        await child.ready(no, 20)


async def test_a_child_that_never_gets_ready_is_given_up(tmp_path: Path) -> None:
    child = process(tmp_path, "import time; time.sleep(60)")
    child.start()
    with pytest.raises(ProcessError, match="not ready"):
        await child.ready(no, 0.1)
    child.kill()
    assert child.returncode == -signal.SIGKILL


async def test_killing_reaches_what_has_left_its_group(tmp_path: Path) -> None:
    child = process(
        tmp_path,
        "import os, time\nif not os.fork(): os.setsid(); print(os.getpid(), flush=True)\ntime.sleep(60)",
    )
    child.start()
    left = int(await logged(child))
    child.kill()
    assert identity(left) is None


async def test_stopping_asks_first(tmp_path: Path) -> None:
    child = process(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    child.start()
    await logged(child)
    await child.stop()
    assert child.returncode == -signal.SIGTERM


async def test_a_child_that_will_not_stop_is_killed_after_the_grace(tmp_path: Path) -> None:
    child = process(tmp_path, STUBBORN, grace=0.2)
    child.start()
    await logged(child)
    await child.stop()
    assert child.returncode == -signal.SIGKILL


async def test_what_a_child_started_goes_with_it(tmp_path: Path) -> None:
    child = process(tmp_path, WITH_CHILD)
    child.start()
    grandchild = int(await logged(child))
    assert identity(grandchild)
    await child.stop()
    assert await gone(grandchild)


async def test_children_die_with_a_killed_launcher(tmp_path: Path) -> None:
    assert await gone(orphaned(tmp_path))


def orphaned(folder: Path) -> int:
    """The pid of a child whose launcher was killed."""
    command = [sys.executable, "-c", LAUNCHER]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout
        pid = int(launcher.stdout.readline())
        assert identity(pid)
        launcher.kill()
    return pid


def test_the_identity_of_nobody_is_none() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert identity(ended.pid) is None
    assert identity(os.getpid()) == identity(os.getpid())


async def test_http_is_well_only_with_status_200() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split()[1]
        writer.write(
            b"HTTP/1.1 " + (b"200 OK" if path == b"/well" else b"503 Service Unavailable") + b"\r\n\r\n"
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (nobody,) = free_ports(1)
    async with server:
        assert await http_ok(f"http://127.0.0.1:{port}/well")
        assert not await http_ok(f"http://127.0.0.1:{port}/ill")
        assert await port_answers(port)
    assert not await http_ok(f"http://127.0.0.1:{nobody}/well")
    assert not await port_answers(nobody)
