"""What the starter forks is what `python -m` would start."""

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.starter import Started, Starter

MAIN = """
import atexit, os, sys, threading, time
from greeting.app import WORDS

print(__name__, WORDS, sorted(os.environ), flush=True)
match os.environ["END"]:
    case "words":
        sys.exit("no such thing")
    case "error":
        raise RuntimeError("a bug")
    case "late":
        atexit.register(print, "at exit", flush=True)
        threading.Thread(target=lambda: (time.sleep(0.2), print("waited for", flush=True))).start()
    case "never":
        time.sleep(60)
    case status:
        sys.exit(int(status))
"""


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starter:
    (tmp_path / "greeting").mkdir()
    (tmp_path / "greeting" / "__init__.py").touch()
    (tmp_path / "greeting" / "app.py").write_text("WORDS = 'hello'\n")
    (tmp_path / "greeting" / "__main__.py").write_text(MAIN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return Starter(["greeting"])


def start(starter: Starter, log: Path, end: str) -> Started:
    environment: Mapping[str, str] = {"END": end}
    return starter.start("greeting", environment, log)


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ("0", 0, ""),
        ("7", 7, ""),
        ("late", 0, "waited for\nat exit\n"),
        ("words", 1, "no such thing"),
        ("error", 1, "RuntimeError: a bug"),
    ],
)
def test_it_ends_as_its_own_interpreter_would(
    starter: Starter, tmp_path: Path, end: str, status: int, said: str
) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    assert start(starter, log, end).wait(20) == status
    assert log.read_text().startswith("before\n__main__ hello ['END']\n")
    assert said in log.read_text()


def test_each_is_waited_for_and_stopped_by_itself(starter: Starter, tmp_path: Path) -> None:
    one, other = (start(starter, tmp_path / name, "never") for name in ("one", "other"))
    assert one.pid != other.pid
    with pytest.raises(subprocess.TimeoutExpired):
        one.wait(0.1)
    one.kill()
    assert one.wait(20) == -signal.SIGKILL
    assert other.poll() is None
    other.terminate()
    assert other.wait(20) == -signal.SIGTERM
    other.kill()  # is gone: nobody else gets it


def test_what_still_runs_ends_with_its_user(starter: Starter, tmp_path: Path) -> None:
    left = psutil.Process(start(starter, tmp_path / "log", "never").pid)
    starter._end()
    gone, _ = psutil.wait_procs([left], timeout=20)
    assert gone == [left]


@pytest.mark.timeout(30)
def test_a_starter_that_cannot_import_says_so_instead_of_waiting(
    starter: Starter, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "greeting" / "app.py").write_text("import nowhere\n")
    broken = Starter(["greeting"])
    for _ in range(2):  # the second wish finds it gone already
        with pytest.raises(RuntimeError, match="ended with status 1"):
            start(broken, tmp_path / "log", "0")
    assert "No module named 'nowhere'" in capfd.readouterr().err


@pytest.mark.timeout(30)
def test_nobody_waits_for_what_a_killed_starter_can_tell_no_longer(starter: Starter, tmp_path: Path) -> None:
    one = start(starter, tmp_path / "log", "never")
    try:
        starter._process.kill()
        with pytest.raises(RuntimeError, match="ended with status -9"):
            one.wait()
    finally:
        os.kill(one.pid, signal.SIGKILL)
