"""The file that says which processes run, so that other commands and the next launcher know."""

import asyncio
import json
import os
import shutil
import signal
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from deploy.stack import files
from deploy.stack.processes import identity, kill_group

LEFTOVER_GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One process: a pid with its start time, because a pid alone may be somebody else's by now."""

    pid: int
    started: float | None
    port: int = 0
    health: str = ""
    """Address that answers 200 when it is well; empty: the port accepts connections."""

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        return self.started is not None and identity(self.pid) == self.started

    @classmethod
    def of(cls, pid: int, port: int = 0, health: str = "") -> Self:
        """The entry of a process that runs now."""
        return cls(pid, identity(pid), port, health)


@dataclass(frozen=True, slots=True)
class State:
    """A launcher and its processes, as last written."""

    launcher: Entry
    ready: bool = False
    data: str = ""
    processes: dict[str, Entry] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write it whole."""
        files.write_whole(path, json.dumps(asdict(self), indent=1), 0o644)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read it; None when nothing was started since the last clean stop."""
        try:
            raw = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        processes = {name: Entry(**entry) for name, entry in raw["processes"].items()}
        return cls(Entry(**raw["launcher"]), raw["ready"], raw["data"], processes)


async def stop_leftovers(path: Path) -> list[str]:
    """Stop what a killed launcher left behind; return the names. Only for the holder of the lock."""
    state = State.read(path)
    left = {name: entry for name, entry in state.processes.items() if entry.alive} if state else {}
    for entry in left.values():
        with suppress(ProcessLookupError):
            os.kill(entry.pid, signal.SIGINT if entry is left.get("postgres") else signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(LEFTOVER_GRACE_S):
            while any(entry.alive for entry in left.values()):  # noqa: ASYNC110 -- not our children
                await asyncio.sleep(0.05)
    for entry in left.values():
        kill_group(entry.pid)
    files.remove(path)
    return list(left)


def fresh_logs(folder: Path) -> None:
    """Put the logs of the run before aside (one generation is kept)."""
    before = folder.with_name(f"{folder.name}.before")
    if folder.exists():
        shutil.rmtree(before, ignore_errors=True)
        folder.rename(before)
    folder.mkdir(parents=True)
