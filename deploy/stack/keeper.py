"""Keeps one Kafka, PostgreSQL and issuer for a whole test session: `python -m deploy.stack.keeper FOLDER`.

The session's owner (pytest, or `./dev test`) holds `FOLDER/owner.lock`; whoever needs the servers first
starts the keeper. When the lock is free, the owner is gone, however it ended: the keeper stops all and
removes FOLDER.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from deploy.stack import files
from deploy.stack.prepared import Prepared, prepare
from deploy.stack.processes import Process, port_answers
from deploy.stack.servers import Servers
from deploy.stack.settings import ROOT, free_ports

READY, FAILED = "servers.json", "failed.json"


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
        async with Servers.on_free_ports(folder) as servers:
            prepared = await prepare(servers.bootstrap, servers.admin_url, f"http://127.0.0.1:{port}", folder)
            await issuer.ready(lambda: port_answers(port), 30)
            prepared.write(folder / READY)
            while not owner_gone(folder):  # noqa: ASYNC110 -- another process lets go of the lock
                await asyncio.sleep(0.2)
    finally:
        await issuer.stop(2)


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
        try:
            with (
                files.locked(folder / "owner.lock", wait=False),
                files.locked(folder / "keeper.lock", wait=False),
            ):
                shutil.rmtree(folder, ignore_errors=True)
        except files.BusyError:
            continue


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
