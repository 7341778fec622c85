"""The state file: what the next launcher learns from a killed one."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.stack import files
from deploy.stack.state import Entry, State, fresh_logs, stop_leftovers


def test_what_is_written_is_read(tmp_path: Path) -> None:
    state = State(
        Entry.of(os.getpid()), ready=True, data="d", processes={"kafka": Entry(1, 2.5, 3, "http://x")}
    )
    state.write(tmp_path / "state.json")
    assert State.read(tmp_path / "state.json") == state


def test_nothing_written_is_nothing_read(tmp_path: Path) -> None:
    assert State.read(tmp_path / "state.json") is None


def test_a_pid_that_belongs_to_somebody_else_now_is_not_alive() -> None:
    mine = Entry.of(os.getpid())
    assert mine.alive
    assert not Entry(mine.pid, (mine.started or 0) - 60).alive


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], start_new_session=True)


async def test_leftovers_are_stopped_and_strangers_are_not(tmp_path: Path) -> None:
    ours, stranger = sleeper(), sleeper()
    reused = Entry(stranger.pid, 1.0)
    state = State(Entry(0, None), processes={"dialog-svc": Entry.of(ours.pid), "kafka": reused})
    state.write(tmp_path / "state.json")
    try:
        assert await stop_leftovers(tmp_path / "state.json") == ["dialog-svc"]
        assert ours.wait(10) < 0
        assert stranger.poll() is None
        assert not (tmp_path / "state.json").exists()
    finally:
        stranger.kill()
        stranger.wait()


def test_logs_of_the_run_before_are_kept_once(tmp_path: Path) -> None:
    for text in ("first", "second", "third"):
        fresh_logs(tmp_path / "logs")
        (tmp_path / "logs" / "kafka.log").write_text(text)
    assert (tmp_path / "logs.before" / "kafka.log").read_text() == "second"


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with (
        files.locked(tmp_path / "lock"),
        pytest.raises(files.BusyError),
        files.locked(tmp_path / "lock", wait=False),
    ):
        pass
    with files.locked(tmp_path / "lock", wait=False):
        pass


def test_files_are_written_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret"
    files.write_whole(path, "one")
    files.write_whole(path, "two")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("two", 0o600)
    assert [each.name for each in path.parent.iterdir()] == ["secret"]
