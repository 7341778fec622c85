"""Starts services by forking a process that has imported them: an import takes a second of CPU, a fork none.

What is started is what `python -m <package>` starts, with surroundings and a log of its own. Run as a program
this file is the process that forks: a JSON object a line comes in for each service to start, one goes out for
each that was started or has ended, with its number among the starts.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import itertools
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent


class Started:
    """A process that the starter has forked, as `subprocess.Popen` has it."""

    def __init__(self, starter: Starter, number: int, pid: int) -> None:
        self.pid = pid
        self._starter, self._number = starter, number

    @property
    def returncode(self) -> int | None:
        """Exit status; below zero the signal that ended it; none while it runs."""
        return self._starter.statuses.get(self._number)

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Exit status, once it has ended; TimeoutExpired when it does not within so many seconds."""
        with self._starter.news:
            self._starter.news.wait_for(lambda: self.returncode is not None or self._starter.ended, timeout)
        if (status := self.returncode) is None:
            self._starter.must_run()
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Starter:
    """The process that forks, as its user sees it; it ends with this process."""

    def __init__(self, packages: Sequence[str]) -> None:
        self.statuses: dict[int, int] = {}
        self.news = threading.Condition()
        self._pids: list[int] = []
        self.ended = False
        self._turn = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, *packages],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._listen, daemon=True).start()
        atexit.register(self._end)

    def start(self, package: str, environment: Mapping[str, str], log: Path) -> Started:
        """Start a package; what it says goes to the end of the log."""
        wish = {"package": package, "environment": dict(environment), "log": str(log)}
        assert self._process.stdin is not None
        with self._turn, self.news:
            number = len(self._pids)
            with contextlib.suppress(BrokenPipeError):  # it has ended, which is told next
                self._process.stdin.write(json.dumps(wish).encode() + b"\n")
                self._process.stdin.flush()
            self.news.wait_for(lambda: len(self._pids) > number or self.ended)
            self.must_run()
            return Started(self, number, self._pids[number])

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self.news:
                if "status" in told:
                    self.statuses[told["number"]] = told["status"]
                else:
                    self._pids.append(told["pid"])
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def must_run(self) -> None:
        """Raise RuntimeError when it has ended: what it started is then told of no longer."""
        if self.ended:
            status = self._process.wait()
            raise RuntimeError(f"tests/starter.py ended with status {status}: standard error says why")

    def _end(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


@functools.cache
def starter(*packages: str) -> Starter:
    """The starter of this process for these packages."""
    return Starter(packages)


def serve(packages: Sequence[str]) -> None:
    """Fork for each wish on standard input, until it ends."""
    for package in packages:
        importlib.import_module(f"{package}.app")
    gc.freeze()  # so that no collection of a child copies what was imported
    ended, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)  # it ends with its user, who first ends what it started
    running: dict[int, int] = {}
    for number in itertools.count():
        while 0 not in select.select([0, ended], [], [])[0]:
            os.read(ended, 1000)
            _tell_who_ended(running)
        wish = sys.stdin.buffer.readline()
        if not wish:
            for pid in running:  # a test that failed may have left some
                os.kill(pid, signal.SIGKILL)
            return
        pid = os.fork()
        if not pid:
            _become(**json.loads(wish))
        running[pid] = number
        _tell({"number": number, "pid": pid})


def _tell_who_ended(running: dict[int, int]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = found
            _tell({"number": running.pop(pid), "status": os.waitstatus_to_exitcode(status)})


def _tell(what: Mapping[str, int]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _become(package: str, environment: Mapping[str, str], log: str) -> NoReturn:
    """Be the process that `python -m package` would be, to its very end: the interpreter itself ends it."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Path(os.devnull).open("rb") as nothing, Path(log).open("ab") as lines:
        os.dup2(nothing.fileno(), 0)
        os.dup2(lines.fileno(), 1)
        os.dup2(lines.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [package]
    runpy.run_module(package, run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    serve(sys.argv[1:])
