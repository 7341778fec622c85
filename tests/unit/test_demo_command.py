"""The demo's command line, as far as it goes without servers."""

import json
from pathlib import Path

import pytest

from deploy.demo import main


def test_dialogs_that_cannot_be_played_start_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORTARBOARD_RUN", str(tmp_path / "run"))
    assert main(["--once", "--dialogs", str(tmp_path / "none.jsonl")]) == 1
    said, last = capsys.readouterr().out.strip().split("\n")
    assert "none.jsonl: No such file" in said
    result = json.loads(last)
    assert (result["dialogs"], result["status"]) == (0, None)
    assert "none.jsonl" in result["error"]
    assert not (tmp_path / "run").exists()


def test_help_names_both_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert "--once" in said
    assert "--dialogs FILE" in said
