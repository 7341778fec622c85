"""`./dev test` counts over its sections."""

import os
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.cli import test as command
from deploy.cli.test import IN_ALL, closing_line, counted, parts
from deploy.containers.engine import EngineError
from deploy.stack.settings import ROOT, StackSettings

REPORT = """<testsuites><testsuite errors="1" failures="2" skipped="3" tests="10"/></testsuites>"""


def test_a_report_is_counted(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text(REPORT)
    assert counted(tmp_path / "unit.xml") == Counter(failed=2, error=1, skipped=3, passed=4)


def test_the_closing_line_has_pytests_form() -> None:
    line = closing_line(Counter(failed=1, passed=20, skipped=2, error=3), 61.5)
    assert line.strip("=") == " 1 failed, 20 passed, 2 skipped, 3 errors in 61.50s "
    assert closing_line(Counter(), 0.1).strip("=") == " no tests ran in 0.10s "


def test_quick_parts_run_first_and_figures_not_at_all() -> None:
    found = parts()
    assert found[0] == "unit"
    assert "bench" not in found
    for part, files in IN_ALL.items():
        assert part in found
        assert all((ROOT / "tests" / part / name).exists() for name in files)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """Sections that would have run, with their files; they all pass."""
    found: list[tuple[str, tuple[str, ...]]] = []

    @contextmanager
    def folder(settings: StackSettings) -> Iterator[Path]:
        yield settings.run

    def section(part: str, _: object, __: Path, ___: object, files: tuple[str, ...] = ()) -> Counter[str]:
        found.append((part, files))
        return Counter(passed=1)

    monkeypatch.setattr(command, "session_folder", folder)
    monkeypatch.setattr(command, "section", section)
    for name in ("MORTARBOARD_STACK", "MORTARBOARD_KAFKA_IMAGE", "MORTARBOARD_POSTGRES_IMAGE"):
        monkeypatch.setenv(name, "local")  # so that it is as before afterwards
        monkeypatch.delenv(name)
    return found


def asked(words: str, tmp_path: Path) -> int:
    return command.run(StackSettings(run=tmp_path, cache=tmp_path), Namespace(part=words, rest=[]))


def test_a_part_asked_for_by_name_beside_all_runs_once_and_whole(
    tmp_path: Path, ran: list[tuple[str, tuple[str, ...]]]
) -> None:
    assert asked("all,browser", tmp_path) == 0
    assert [files for part, files in ran if part == "browser"] == [()]
    ran.clear()
    assert asked("all", tmp_path) == 0
    assert dict(ran)["browser"] == IN_ALL["browser"]


def test_where_no_engine_answers_the_closing_line_says_so(
    tmp_path: Path,
    ran: list[tuple[str, tuple[str, ...]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @contextmanager
    def folder(settings: StackSettings) -> Iterator[Path]:
        if settings.mode == "containers":
            raise EngineError("no Docker engine answers")
        yield settings.run

    monkeypatch.setattr(command, "session_folder", folder)
    assert asked("unit,deploy", tmp_path) == 1
    said = capsys.readouterr()
    assert "no Docker engine answers" in said.err
    assert "2 passed, 1 error" in said.out.splitlines()[-1]
    assert [part for part, _ in ran] == ["unit", "deploy"]


@pytest.mark.parametrize("setting", ["0", "1"])
def test_deploy_runs_on_official_images_where_stand_ins_are_not_wanted(
    tmp_path: Path, ran: list[object], monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("MORTARBOARD_STANDINS", setting)
    assert asked("deploy", tmp_path) == 0
    assert len(ran) > 1, "on servers in containers, too"
    assert ("MORTARBOARD_KAFKA_IMAGE" in os.environ) == (setting == "1")
