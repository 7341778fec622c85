"""The launcher itself: one at a time, a crash is repaired, nothing is left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.stack.processes import identity
from deploy.stack.settings import DEFAULT_PORTS, ROOT, free_ports, port_setting
from deploy.stack.state import State
from tests.harness import PORTS

WITHIN_S = 120


class Launcher:
    """`./dev` in a run folder and on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.run_folder = folder
        free = free_ports(len(DEFAULT_PORTS), PORTS)
        ports = {port_setting(name): str(port) for name, port in zip(DEFAULT_PORTS, free, strict=True)}
        self.env = {**os.environ, **ports, "MORTARBOARD_RUN": str(folder)}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "deploy.cli", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)

    def state(self) -> State:
        state = State.read(self.run_folder / "state.json")
        assert state
        return state


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    one = Launcher(tmp_path / "run")
    yield one
    one.command("down")


async def well_again(launcher: Launcher, names: set[str]) -> None:
    """Wait until all these processes are there and well."""
    async with asyncio.timeout(WITHIN_S):
        while launcher.state().processes.keys() != names or launcher.command("status").returncode:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_the_life_of_a_stack(launcher: Launcher) -> None:
    first = launcher.command("up", "--detach")
    assert first.returncode == 0, first.stdout + first.stderr
    assert launcher.command("status").returncode == 0

    seeded = launcher.command("seed", "states")
    assert seeded.returncode == 0, seeded.stdout + seeded.stderr
    assert "everything is there" in seeded.stdout

    second = launcher.command("up")
    assert second.returncode == 1
    assert "already runs" in second.stderr

    before = launcher.state()
    os.kill(before.processes["dialog-svc"].pid, signal.SIGKILL)
    await well_again(launcher, set(before.processes))
    assert launcher.state().processes["dialog-svc"].pid != before.processes["dialog-svc"].pid

    killed = launcher.state()
    os.kill(killed.launcher.pid, signal.SIGKILL)
    third = launcher.command("up", "--detach")
    assert third.returncode == 0, third.stdout + third.stderr
    assert not any(entry.alive for entry in killed.processes.values())

    last = launcher.state()
    down = launcher.command("down")
    assert down.returncode == 0, down.stdout
    assert not any(entry.alive for entry in [last.launcher, *last.processes.values()])
    assert launcher.command("status").returncode == 3
    assert launcher.command("seed", "states").returncode == 3


def test_a_taken_port_is_named_before_anything_starts(launcher: Launcher) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        launcher.env["MORTARBOARD_AGENT_SVC_PORT"] = str(other.getsockname()[1])
        done = launcher.command("up")
    assert done.returncode == 1
    assert "MORTARBOARD_AGENT_SVC_PORT" in done.stderr
    assert "ready" not in done.stdout
    assert not (launcher.run_folder / "state.json").exists()


def test_ctrl_c_while_starting_leaves_no_process(launcher: Launcher) -> None:
    command = [sys.executable, "-P", "-m", "deploy.cli", "up"]
    with subprocess.Popen(command, cwd=ROOT, env=launcher.env, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout
        assert "ready" in up.stdout.readline()
        pids = [entry.pid for entry in launcher.state().processes.values()]
        up.send_signal(signal.SIGINT)
        assert up.wait(WITHIN_S) == 130
    assert pids
    assert not any(identity(pid) for pid in pids)
