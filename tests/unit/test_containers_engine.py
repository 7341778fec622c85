"""An engine that answers, is silent, is somebody else's just now, or was left by a killed session."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from deploy.containers import engine
from deploy.stack import files
from deploy.stack.settings import StackSettings
from tests.unit.test_containers import script


def test_an_engine_that_is_named_and_silent_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    settings = StackSettings(run=tmp_path, cache=tmp_path)
    with pytest.raises(engine.EngineError, match="DOCKER_HOST=unix:///nowhere"), engine.engine(settings):
        pass


def test_where_no_engine_can_be_had_the_packages_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "answers", lambda _: False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    settings = StackSettings(run=tmp_path, cache=tmp_path)
    with pytest.raises(engine.EngineError, match=r"docker\.io and iptables"), engine.engine(settings):
        pass


def test_a_rootless_engine_is_found_by_the_clients_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rootless = "unix:///run/user/1000/docker.sock"
    script(
        tmp_path / "docker",
        f"""case "$1" in
        context) echo {rootless} ;;
        version) [ "$DOCKER_HOST" = {rootless} ] && echo 20.10.24 ;;
        esac""",
    )
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with engine.engine(StackSettings(run=tmp_path, cache=tmp_path)) as docker:
        assert docker.host == rootless


def test_who_waits_for_an_engine_is_told_how_to_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "answers", lambda _: False)
    monkeypatch.setattr(engine, "_own", contextmanager(lambda _: iter([engine.Docker("ours", "docker")])))
    began, said = [], ""

    def use() -> None:
        with engine.engine(StackSettings(run=tmp_path, cache=tmp_path)) as docker:
            began.append(docker.host)

    waiting = threading.Thread(target=use, daemon=True)
    with files.locked(tmp_path / "engine" / "lock"):
        waiting.start()
        while "export DOCKER_HOST=" not in said:
            said += capfd.readouterr().err
        assert not began
    waiting.join(10)
    assert f"unix://{tmp_path}/engine/docker.sock" in said
    assert began == ["ours"]


def test_the_engine_that_a_killed_session_left_is_ended_first(tmp_path: Path) -> None:
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen([*sleeps, str(tmp_path / "data")]) as ours, subprocess.Popen(sleeps) as another:
        (tmp_path / "docker.pid").write_text(str(ours.pid))
        engine.end_leftover(tmp_path)
        ours.wait(5)  # of whose end psutil may have heard first
        assert not psutil.pid_exists(ours.pid)
        (tmp_path / "docker.pid").write_text(str(another.pid))
        engine.end_leftover(tmp_path)  # the number is somebody else's by now
        assert another.poll() is None
        another.kill()
