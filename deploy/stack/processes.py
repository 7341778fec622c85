"""Child processes that are seen to be ready, stop when told and never outlive their launcher."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil

Probe = Callable[[], Awaitable[bool]]
POLL = 0.03

# The kernel ties a child to the *thread* that made it; this one lives as long as the launcher.
_SPAWNER = ThreadPoolExecutor(1, thread_name_prefix="spawner")
_SETPRIV = shutil.which("setpriv", path=f"{os.environ.get('PATH', '')}:/usr/bin:/bin")


class ProcessError(Exception):
    """A process ended, or did not get ready in time; the text shows the end of its log."""


class Process:
    """One child in a session of its own, its output in a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str],
        cwd: Path,
        prefix: Sequence[str] = (),
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 30.0,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [*prefix, *tied_to_launcher(stop_signal), *map(str, command)]
        self._env = dict(env)
        self._cwd = cwd
        self._stop_signal = stop_signal
        self._grace = grace
        self._popen: subprocess.Popen[bytes] | None = None
        self._gone = False

    @property
    def pid(self) -> int:
        """The process id, 0 before the first start."""
        return self._popen.pid if self._popen else 0

    @property
    def returncode(self) -> int | None:
        """None while it runs or before it was started."""
        return self._popen.poll() if self._popen else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start it; its log is continued."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._popen = _SPAWNER.submit(self._spawn).result()
        self._gone = False

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                start_new_session=True,
            )

    async def exited(self) -> int:
        """Wait for its end; return the exit status, negative for a signal."""
        while (code := self.returncode) is None:  # noqa: ASYNC110 -- a child's end raises no event here
            await asyncio.sleep(POLL)
        return code

    async def ready(self, probe: Probe, within: float) -> None:
        """Wait until the probe says yes; raises ProcessError when it ended or the seconds are over."""
        deadline = asyncio.get_running_loop().time() + within
        while not await probe():
            if not self.running:
                raise ProcessError(f"{self.name} ended with status {self.returncode}\n{self.tail()}")
            if asyncio.get_running_loop().time() > deadline:
                raise ProcessError(f"{self.name} was not ready within {within:.0f} s\n{self.tail()}")
            await asyncio.sleep(POLL)

    async def stop(self, grace: float | None = None) -> None:
        """Ask it to stop, wait for the grace time, then end its whole group."""
        if self.running:
            self.send(self._stop_signal)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.exited(), self._grace if grace is None else grace)
        self.kill()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        if self.running:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to it and everything it started; returns when it is gone."""
        if self._popen and not self._gone:
            kill_group(self.pid)
            self._popen.wait()
            self._gone = True

    def tail(self, lines: int = 20) -> str:
        """The end of its log, with the log's place."""
        text = self.log.read_text(errors="replace").splitlines()[-lines:] if self.log.exists() else []
        return "\n".join([*(f"  | {line}" for line in text), f"  (all of it: {self.log})"])


def tied_to_launcher(number: signal.Signals) -> list[str]:
    """A command prefix: the kernel sends this signal when the launcher dies (where util-linux is there)."""
    return [_SETPRIV, "--pdeathsig", number.name, "--"] if _SETPRIV else []


async def run(
    command: Sequence[str | Path],
    *,
    name: str,
    log: Path,
    env: Mapping[str, str],
    cwd: Path,
    prefix: Sequence[str] = (),
) -> None:
    """Run a command to its end; raises ProcessError with its output when it fails."""
    process = Process(name, command, log=log, env=env, cwd=cwd, prefix=prefix)
    process.start()
    try:
        if await process.exited():
            raise ProcessError(f"{name} failed with status {process.returncode}\n{process.tail()}")
    finally:
        process.kill()


def kill_group(pid: int) -> None:
    """SIGKILL to the process group of a session that we made; nothing when it is gone.

    Also to what has left the group, as PostgreSQL's sessions do: alive they keep a next server from starting.
    """
    children: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        if os.getsid(pid) == pid:  # or the number is another's by now
            children = psutil.Process(pid).children(recursive=True)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for child in children:
        with contextlib.suppress(psutil.Error):
            child.kill()
    psutil.wait_procs(children, timeout=5)


def identity(pid: int) -> float | None:
    """When the process with this id started, None when there is none: a pid alone may be somebody else's."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


async def port_answers(port: int) -> bool:
    """Whether something accepts connections on this port of 127.0.0.1."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def http_ok(url: str) -> bool:
    """Whether a GET of a plain http address is answered with 200."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(
                    f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
                )
                status = (await reader.readline()).split()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status[1:2] == [b"200"]
