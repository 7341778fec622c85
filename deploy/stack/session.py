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
    before = dict(os.environ)
    with files.locked(folder / "owner.lock"):
        (folder / "tmp").mkdir()
        os.environ |= {FOLDER: str(folder), "TMPDIR": str(folder / "tmp")}
        try:
            yield folder
        finally:
            os.environ.pop(FOLDER)
            os.environ["TMPDIR"] = before.get("TMPDIR", str(settings.temporary))
    _wait_for_keeper(folder)


def _wait_for_keeper(folder: Path) -> None:
    deadline = time.monotonic() + STOP_WITHIN_S
    while folder.exists() and time.monotonic() < deadline:
        keeper.sweep(folder.parent)
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)
