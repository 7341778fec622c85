"""`./dev check`: everything that needs no server."""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from deploy.cli import audit
from deploy.stack.migrations import CONTRACT, DROPS, all_migrations, current_problems, up_part
from deploy.stack.settings import ROOT, StackSettings

BIN = Path(sys.executable).parent
SQUAWK = ROOT / "deploy" / "stack" / "squawk.toml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check ended."""

    name: str
    output: str
    seconds: float
    passed: bool

    @property
    def mark(self) -> str:
        """In a word: well, failed, or passed with something to be said aloud."""
        if not self.passed:
            return "FAIL"
        return "!!  " if self.output.startswith(audit.LOUD) else "ok  "


def run(settings: StackSettings, _: argparse.Namespace | None = None) -> int:
    """Run all checks, two at a time; print each with its seconds and, when it failed, its output."""
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        for outcome in pool.map(_timed, *zip(*checks(settings), strict=True)):
            print(f"  {outcome.mark} {outcome.name:30} {outcome.seconds:5.1f} s", flush=True)
            if outcome.mark != "ok  ":
                failed += not outcome.passed
                print(outcome.output.rstrip(), flush=True)
    return min(failed, 1)


def checks(settings: StackSettings) -> list[tuple[str, Callable[[], tuple[bool, str]]]]:
    """What is checked, the slowest first."""
    python = str(BIN / "python")
    return [
        ("types (mypy)", lambda: _command("mypy", *packages())),
        ("lint (ruff)", lambda: _command("ruff", "check", ".", "dev")),
        ("format (ruff)", lambda: _command("ruff", "format", "--check", ".", "dev")),
        ("imports (import-linter)", lambda: _command("lint-imports")),
        (
            "generated files are current",
            lambda: _command(python, "-P", "-m", "contracts.generate", "--check"),
        ),
        (
            "images: lists are current",
            lambda: _command(python, "-P", "-m", "deploy.images.closure", "--check"),
        ),
        ("images: Dockerfiles (hadolint)", _hadolint),
        (
            "boards and rules are current",
            lambda: _command(python, "-P", "-m", "deploy.monitoring.generate", "--check"),
        ),
        ("topics and access are current", lambda: _command(python, "-P", "-m", "deploy.topics", "--check")),
        ("libraries (pip-audit)", lambda: audit.libraries(settings)),
        ("secrets (detect-secrets)", lambda: audit.secrets(settings)),
        ("migrations: numbers, changes", _migrations),
        ("migrations (squawk)", lambda: _squawk(settings)),
    ]


def packages() -> list[str]:
    """The folders that mypy reads."""
    members = sorted(ROOT.glob("services/*/*/__init__.py"))
    return [
        "contracts/contracts",
        *(str(path.parent.relative_to(ROOT)) for path in members),
        "deploy",
        "tests",
    ]


def _timed(name: str, check: Callable[[], tuple[bool, str]]) -> Outcome:
    began = time.monotonic()
    passed, output = check()
    return Outcome(name, output, time.monotonic() - began, passed)


def _command(program: str, *arguments: str, cwd: Path = ROOT) -> tuple[bool, str]:
    command = [program if program.startswith("/") else str(BIN / program), *arguments]
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout


def _hadolint() -> tuple[bool, str]:
    return _command("hadolint", *map(str, sorted((ROOT / "deploy" / "images").rglob("Dockerfile"))))


def _migrations() -> tuple[bool, str]:
    wrong = current_problems()
    return not wrong, "\n".join(wrong)


def _squawk(settings: StackSettings) -> tuple[bool, str]:
    """Lint only the way up: on the way down, dropping is the point, and so it is of a contraction."""
    folder = settings.temporary / f"squawk-{os.getpid()}"
    files: dict[bool, list[str]] = {False: [], True: []}
    for path in all_migrations():
        name = path.relative_to(ROOT)
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(up_part(path.read_text()))
        files[path.parent.name == CONTRACT].append(str(name))
    command = ["squawk", "--config", str(SQUAWK)]
    try:
        results = [
            _command(*command, *(["--exclude", ",".join(DROPS)] if contract else []), *names, cwd=folder)
            for contract, names in files.items()
            if names
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return all(passed for passed, _ in results), "".join(output for _, output in results)
