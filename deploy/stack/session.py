"""A test session's folder: whoever owns it decides how long the shared test servers live."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.stack import files, keeper
from deploy.stack.settings import StackSettings

FOLDER = "MORTARBOARD_TEST_RUN"
STOP_WITHIN_S = 90.0


@contextmanager
def session_folder(settings: StackSettings) -> Iterator[Path]:
    """Own a folder for the servers of one test session; on leaving they are stopped and it is gone."""
    parent = settings.run / "tests"
    keeper.sweep(parent)
    folder = parent / f"{os.getpid()}-{uuid.uuid4().hex[:6]}"
    with _engine(settings):
        with files.locked(folder / "owner.lock"), _told(folder, settings):
            yield folder
        _wait_for_keeper(folder)


@contextmanager
def _told(folder: Path, settings: StackSettings) -> Iterator[None]:
    """Tell all that is started here which folder is theirs."""
    before = os.environ.get("TMPDIR", str(settings.temporary))
    (folder / "tmp").mkdir()
    os.environ |= {FOLDER: str(folder), "TMPDIR": str(folder / "tmp")}
    try:
        yield
    finally:
        os.environ.pop(FOLDER)
        os.environ["TMPDIR"] = before


@contextmanager
def _engine(settings: StackSettings) -> Iterator[None]:
    """For servers in containers: an engine, and the stand-in images if these are wanted."""
    if settings.mode != "containers":
        yield
        return
    from deploy.containers import engine, servers, standins  # libraries that other sessions do without

    before = os.environ.get("DOCKER_HOST")
    with engine.engine(settings) as docker:
        os.environ["DOCKER_HOST"] = docker.host
        try:
            if any(servers.image(name) in standins.IMAGES.values() for name in servers.IMAGES):
                standins.build(docker, settings, lambda text: print(text, flush=True))
            servers.sweep(lambda folder: not Path(folder).exists())
            yield
            servers.sweep(lambda folder: not Path(folder).exists())
        finally:
            os.environ.pop("DOCKER_HOST") if before is None else os.environ.update(DOCKER_HOST=before)


def _wait_for_keeper(folder: Path) -> None:
    deadline = time.monotonic() + STOP_WITHIN_S
    while folder.exists() and time.monotonic() < deadline:
        keeper.sweep(folder.parent)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)
