"""Keeps one Kafka, PostgreSQL and issuer for a whole test session: `python -m deploy.stack.keeper FOLDER`.

The session's owner (pytest, or `./dev test`) holds `FOLDER/owner.lock`; whoever needs the servers first
starts the keeper. When the lock is free, the owner is gone, however it ended: the keeper stops all and
removes FOLDER.
"""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from deploy.stack import files, leftovers
from deploy.stack.databases import Databases
from deploy.stack.prepared import Prepared, prepare
from deploy.stack.processes import Process, port_answers
from deploy.stack.secure import Secure
from deploy.stack.servers import Servers
from deploy.stack.settings import ROOT, free_ports, from_environment

SECURED = "MORTARBOARD_TEST_SECURE"
"""The variable with which a session's servers take TLS, passwords and rights only."""
READY, FAILED = "servers.json", "failed.json"
MEMORY = Path("/dev/shm")  # noqa: S108 -- a folder of our own below it, for nobody else to read
PREFIX, BELONGS_TO = "mortarboard-tests-", "belongs-to"
ENOUGH = 4 * 2**30


def servers_of(folder: Path) -> Prepared:
    """Return the session's servers, starting their keeper when it is the first call; raises RuntimeError."""
    with files.locked(folder / "start.lock"):
        if not (folder / READY).exists():
            _start(folder)
    return Prepared.read(folder / READY)


def _start(folder: Path) -> None:
    log = folder / "logs" / "keeper.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        keeper = subprocess.Popen(
            [sys.executable, "-P", "-m", "deploy.stack.keeper", str(folder)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
    while not (folder / READY).exists():
        if keeper.poll() is not None or (folder / FAILED).exists():
            text = (folder / FAILED).read_text() if (folder / FAILED).exists() else log.read_text()
            raise RuntimeError(f"the test servers did not start:\n{text}")
        time.sleep(0.05)


async def keep(folder: Path) -> None:
    """Start everything, say where it is, wait until the owner is gone, stop everything."""
    (port,) = free_ports(1)
    issuer = Process(
        "issuer",
        [
            sys.executable,
            "-P",
            "-m",
            "deploy.issuer",
            "--port",
            str(port),
            "--state",
            folder / "data" / "issuer",
        ],
        log=folder / "logs" / "issuer.log",
        env={**os.environ, "MORTARBOARD_DEV": "1"},
        cwd=ROOT,
    )
    issuer.start()
    try:
        async with _servers(folder) as (bootstrap, admin_url, secure):
            run, theirs = leftovers.new_run(), Databases(admin_url, {})
            issuer_url = f"http://127.0.0.1:{port}"
            async with leftovers.alive(theirs, run):
                if shared := from_environment().mode == "external":
                    await leftovers.sweep(theirs, bootstrap)
                prepared = await prepare(
                    bootstrap, admin_url, issuer_url, folder, secure, leftovers.template(run)
                )
                await issuer.ready(lambda: port_answers(port), 30)
                prepared.write(folder / READY)
                while not owner_gone(folder):  # noqa: ASYNC110 -- another process lets go of the lock
                    await asyncio.sleep(0.2)
                if shared:  # our owner may have been killed, with tests that would have tidied up
                    await leftovers.remove(theirs, bootstrap, run)
    finally:
        await issuer.stop(2)


@asynccontextmanager
async def _servers(folder: Path) -> AsyncIterator[tuple[str, str, Secure | None]]:
    """Addresses of Kafka and of PostgreSQL's superuser: servers of our own, or those that were named."""
    told = from_environment()
    if told.mode == "external":
        yield told.kafka_bootstrap, told.postgres_admin_url, None
        return
    secure = bool(os.environ.get(SECURED))
    with memory_for(folder) as memory:
        async with Servers.on_free_ports(folder, memory, secure=secure) as servers:
            yield servers.bootstrap, servers.admin_url, servers.secure


@contextmanager
def memory_for(folder: Path, *, restarted: bool = False) -> Iterator[Path | None]:
    """A folder in memory for data of servers of a session, as `in_memory` says; removed at the end.

    None for containers that are to be `restarted`: what they have in memory goes when they stop.
    """
    lasts = not (restarted and from_environment().mode == "containers")
    memory = in_memory(folder) if lasts else None
    try:
        yield memory
    finally:
        if memory:
            shutil.rmtree(memory, ignore_errors=True)


def in_memory(folder: Path) -> Path | None:
    """A folder in memory for the servers' data; None where there is none, or too little.

    Each test has a database and topics of its own: thousands of files that disks may take a second to make.
    """
    try:
        if shutil.disk_usage(MEMORY).free < ENOUGH:
            return None
        place = MEMORY / f"{PREFIX}{os.getpid()}-{folder.name}"
        place.mkdir(mode=0o700)
        (place / BELONGS_TO).write_text(str(folder))
    except OSError:
        return None
    return place


def tidy_memory() -> None:
    """Remove what servers left in memory whose session is over, however it ended."""
    for place in MEMORY.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's
            folder = Path((place / BELONGS_TO).read_text())
            if not folder.exists() or _is_over(folder):
                shutil.rmtree(place, ignore_errors=True)


def owner_gone(folder: Path) -> bool:
    """Whether nobody holds the owner's lock any more."""
    try:
        with files.locked(folder / "owner.lock", wait=False):
            return True
    except files.BusyError:
        return False


def sweep(parent: Path) -> None:
    """Remove the folders of sessions whose owner and keeper are both gone."""
    for folder in parent.glob("*/"):
        if _is_over(folder):
            shutil.rmtree(folder, ignore_errors=True)
    tidy_memory()


def _is_over(folder: Path) -> bool:
    try:
        with (
            files.locked(folder / "owner.lock", wait=False),
            files.locked(folder / "keeper.lock", wait=False),
        ):
            return True
    except files.BusyError:
        return False


def main() -> None:
    """Keep the servers of the folder given as the only argument."""
    folder = Path(sys.argv[1])
    with files.locked(folder / "keeper.lock"):
        try:
            asyncio.run(keep(folder))
        except Exception as error:
            (folder / FAILED).write_text(json.dumps(f"{type(error).__name__}: {error}"))
            raise
        if owner_gone(folder):
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
