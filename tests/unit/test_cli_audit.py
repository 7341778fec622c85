"""The audit of libraries and the search for secrets: what fails, what is said aloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.cli.audit import LOUD, REQUIRED, _hook, judged, secrets
from deploy.stack.settings import StackSettings


def test_a_known_weakness_fails_and_silence_is_said_aloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REQUIRED, raising=False)
    assert judged(["jinja2 2.4.1: PYSEC-1"], 10, "") == (False, "jinja2 2.4.1: PYSEC-1")
    assert judged([], 10, "")[0]
    passed, said = judged([], 10, "3 of 10 libraries")
    assert passed
    assert said.startswith(LOUD)
    assert "3 of 10" in said


def test_before_a_release_silence_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REQUIRED, "required")
    assert not judged([], 10, "pip-audit gave no answer")[0]
    assert judged([], 10, "")[0]


def test_a_secret_is_found_in_code_and_one_with_the_form_of_a_real_one_in_tests_too(tmp_path: Path) -> None:
    # put together here, so that this file holds none
    real = tmp_path / "real.py"
    real.write_text('KEY = "' + "AKIA" + 'QWERTYUIOPASDFGH"\n')
    called_so = tmp_path / "called_so.py"
    called_so.write_text("pass" + 'word = "correct horse battery"\n')
    assert "AWS" in _hook([str(real)])
    assert "AWS" in _hook([str(real)], "--disable-plugin", "KeywordDetector")
    assert "Keyword" in _hook([str(called_so)])
    assert _hook([str(called_so)], "--disable-plugin", "KeywordDetector") == ""


def test_a_checkout_that_git_does_not_list_fails_in_gits_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    passed, said = secrets(StackSettings(run=tmp_path, cache=tmp_path))
    assert not passed
    assert "not a git repository" in said
