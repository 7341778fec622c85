"""`./dev status`."""

import argparse
import asyncio

import psutil

from deploy.ctl.tables import table
from deploy.stack.processes import http_ok, port_answers
from deploy.stack.settings import StackSettings
from deploy.stack.state import Entry, State


def run(settings: StackSettings, _: argparse.Namespace) -> int:
    """Print a line a process; exit status 0 when all are well, 3 when nothing runs."""
    state = State.read(settings.state_file)
    if not state:
        print("nothing runs (./dev up starts it)")
        return 3
    rows = asyncio.run(_rows(state))
    print(table(("process", "pid", "port", "health", "rss MB"), rows))
    if not state.launcher.alive:
        print("\nthe launcher was killed: ./dev up cleans up and starts again, ./dev down only cleans up")
    return 0 if state.launcher.alive and all(row[3] == "ok" for row in rows) else 1


async def _rows(state: State) -> list[tuple[object, ...]]:
    entries = {"launcher": state.launcher, **dict(sorted(state.processes.items()))}
    health = await asyncio.gather(*(_health(entry) for entry in entries.values()))
    return [
        (name, entry.pid, entry.port or "", well, _rss(entry.pid) if entry.alive else "")
        for (name, entry), well in zip(entries.items(), health, strict=True)
    ]


async def _health(entry: Entry) -> str:
    if not entry.alive:
        return "gone"
    if entry.health:
        return "ok" if await http_ok(entry.health) else "not ready"
    return "ok" if not entry.port or await port_answers(entry.port) else "not ready"


def _rss(pid: int) -> int:
    """Resident megabytes of a process and what it started; memory that a family shares counts once."""
    try:
        whole = psutil.Process(pid)
        family = [one.memory_info() for one in (whole, *_children(whole))]
    except psutil.NoSuchProcess:
        return 0
    return int(max(one.shared for one in family) + sum(one.rss - one.shared for one in family)) // 2**20


def _children(process: psutil.Process) -> list[psutil.Process]:
    """PostgreSQL's sessions count; a launcher's services have lines of their own."""
    return process.children(recursive=True) if process.name() == "postgres" else []
