"""The generated files: current, deterministic, and named when they are not current."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from contracts.asyncapi import SERVICES
from contracts.generate import RELEASE, ROOT, main, render, stale
from contracts.registry import EVENTS
from contracts.topics import TOPICS


def test_the_committed_files_are_current() -> None:
    assert stale(render()) == []


def test_another_process_writes_the_same() -> None:
    code = "from contracts.generate import render; print(sorted(render().items()))"
    one, two = (
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "12"
    )
    assert one == two


def test_check_names_each_stale_file_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "contracts"
    for folder in ("schemas", "asyncapi", "examples"):
        shutil.copytree(ROOT / folder, root / folder)
    assert main(["--check"], root) == 0
    (root / "schemas" / "dialog.rated.v1.json").write_text("{}")
    (root / "asyncapi" / "agent-svc.yaml").unlink()
    (root / "schemas" / "gone.v1.json").write_text("{}")
    assert main(["--check"], root) == 1
    named = capsys.readouterr().err.splitlines()
    assert named == [
        "stale: contracts/asyncapi/agent-svc.yaml",
        "stale: contracts/schemas/dialog.rated.v1.json",
        "stale: contracts/schemas/gone.v1.json",
    ]
    assert main([], root) == 0
    assert main(["--check"], root) == 0


def test_every_event_and_service_is_described() -> None:
    names = {str(path) for path in render()}
    assert names == {f"schemas/{event}.json" for event in EVENTS} | {f"asyncapi/{s}.yaml" for s in SERVICES}
    described: set[str] = set()
    for service in SERVICES:
        document = yaml.safe_load((ROOT / "asyncapi" / f"{service}.yaml").read_text())
        described |= document["operations"].keys()
    # the chat backend, the other writer of chat.events, has no document of ours: agent-svc's stands for it
    assert described == {f"{action}-{topic}" for action in ("send", "receive") for topic in TOPICS}


def test_the_release_is_the_package_s_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == RELEASE
