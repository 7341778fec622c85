"""A Docker engine: the one that answers, or one of our own for as long as it is needed.

with engine(settings) as docker:
    docker.run("images")

An engine of our own needs root and Debian's docker.io and iptables; all it has is below the run folder.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from deploy.containers.client import answers, has_buildx, of_context, version
from deploy.stack import files
from deploy.stack.processes import Process
from deploy.stack.settings import StackSettings

START_WITHIN_S, STOP_WITHIN_S = 60.0, 60.0
SOCKET = "docker.sock"
LONGEST_SOCKET = 100
"""A socket's path has no more room in the kernel."""
BUILDX_SINCE = 23
"""The first client that builds through its plugin buildx; older ones speak to the engine's BuildKit."""


class EngineError(Exception):
    """No engine can be had, or a command failed; the text says why."""


@dataclass(frozen=True, slots=True)
class Docker:
    """A client of an engine that answers."""

    host: str
    """The engine's address, as in DOCKER_HOST."""
    client: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which programs find this engine."""
        return {**os.environ, "DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "1"}

    def run(self, *arguments: str | Path) -> str:
        """Run the client; return what it printed. Raises EngineError with its words."""
        command = [self.client, *map(str, arguments)]
        done = subprocess.run(command, env=self.environment, capture_output=True, check=False)
        if done.returncode:
            words = (done.stdout[-2000:] + done.stderr[-4000:]).decode(errors="replace")
            raise EngineError(f"{' '.join(command)}: status {done.returncode}\n{words}")
        return done.stdout.decode(errors="replace")

    def has(self, image: str) -> bool:
        """Whether the engine has an image."""
        try:
            self.run("image", "inspect", image)
        except EngineError:
            return False
        return True


@contextmanager
def engine(settings: StackSettings) -> Iterator[Docker]:
    """Give the engine that answers, or start one and end it afterwards; raises EngineError."""
    host = os.environ.get("DOCKER_HOST") or of_context()
    if answers(host):
        yield Docker(host, builder())
        return
    if os.environ.get("DOCKER_HOST"):
        raise EngineError(f"no engine answers at DOCKER_HOST={host}")
    with _alone(settings.run / "engine"), _own(settings) as docker:
        yield docker


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of the engine in this folder; whoever waits for it is told what for."""
    lock = folder / "lock"
    with ExitStack() as stack:
        try:
            stack.enter_context(files.locked(lock, wait=False))
        except files.BusyError:
            shared = f"export DOCKER_HOST=unix://{folder / SOCKET}"
            print(f"waiting for another ./dev to end its engine; to share it: {shared}", file=sys.stderr)
            stack.enter_context(files.locked(lock))
        yield


@contextmanager
def _own(settings: StackSettings) -> Iterator[Docker]:
    folder = settings.run / "engine"
    socket = folder / SOCKET
    _refuse(socket)
    end_leftover(folder)
    for stale in (folder / "docker.pid", socket):
        stale.unlink(missing_ok=True)
    host = f"unix://{socket}"
    command: list[str | Path] = [
        "dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec", "--host", host,
        "--pidfile", folder / "docker.pid", "--log-level", "warn",
    ]  # fmt: skip
    daemon = Process(
        "dockerd",
        command,
        log=folder / "dockerd.log",
        env=_daemon_environment(),
        cwd=folder,
        grace=STOP_WITHIN_S,
    )
    daemon.start()
    try:
        _wait(daemon, host)
        yield Docker(host, builder())
    finally:
        _end(daemon)


def end_leftover(folder: Path) -> None:
    """End the engine that a killed session left in this folder: two must not share their data."""
    try:
        left = psutil.Process(int((folder / "docker.pid").read_text()))
        if str(folder / "data") in left.cmdline():
            left.terminate()
            left.wait(STOP_WITHIN_S)
    except psutil.TimeoutExpired:
        left.kill()
        left.wait(STOP_WITHIN_S)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return


def _daemon_environment() -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")}
    return {**env, "PATH": f"{env.get('PATH', os.defpath)}:/usr/sbin:/sbin"}


def _refuse(socket: Path) -> None:
    """Raise EngineError where an engine of our own cannot be started."""
    missing = [
        name for name in ("dockerd", "iptables") if not shutil.which(name, path=_daemon_environment()["PATH"])
    ]
    if missing or os.geteuid() != 0:
        raise EngineError(
            "no Docker engine answers (DOCKER_HOST, or where docker's context says). As root one is started "
            f"here, with Debian's packages docker.io and iptables; missing: {', '.join(missing) or 'root'}"
        )
    if len(str(socket)) > LONGEST_SOCKET:
        raise EngineError(
            f"{socket} is too long a path for a socket: set MORTARBOARD_RUN to a shorter folder"
        )


def _wait(daemon: Process, host: str) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not answers(host):
        if not daemon.running or time.monotonic() > deadline:
            raise EngineError(f"dockerd did not start\n{daemon.tail()}")
        time.sleep(0.1)


def _end(daemon: Process) -> None:
    daemon.send(signal.SIGTERM)
    deadline = time.monotonic() + STOP_WITHIN_S
    while daemon.running and time.monotonic() < deadline:
        time.sleep(0.1)
    daemon.kill()


def builder() -> str:
    """Return the client on PATH that can build with BuildKit; raises EngineError when there is none."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    clients = dict.fromkeys(
        path for one in [*folders, "/usr/bin"] if (path := shutil.which("docker", path=one))
    )
    for client in clients:
        if version(client) < BUILDX_SINCE or has_buildx(client):
            return client
    raise EngineError(
        "no docker client here can build with BuildKit: install the plugin buildx "
        f"(found: {', '.join(clients) or 'no client'})"
    )
