"""`./dev test [PART]`: checks and tests, section by section, one closing line at the end."""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from deploy.cli import check
from deploy.containers.engine import EngineError
from deploy.containers.tools import ToolError
from deploy.stack.keeper import SECURED
from deploy.stack.session import session_folder
from deploy.stack.settings import ROOT, StackSettings, from_environment

FIRST = ("unit", "contracts", "integration", "browser", "e2e")
ON_THEIR_OWN = ("bench", "mutations", "secure", "deploy", "kube", "upgrade")
"""Not part of `all`: figures, the protections taken away one by one, and what needs other surroundings."""
PARALLEL = {"contracts": 4, "integration": 4, "browser": 2, "e2e": 2, "api": 4, "chaos": 2, "secure": 2}
"""How many tests of a part run at a time; most of them wait."""
IN_ALL = {"browser": ("test_console_manual.py", "test_console_every_page.py", "test_console_pages.py")}
"""Of a part that takes long, what `all` runs: the owner's whole way, and what holds for every page."""
IN_CONTAINERS = {
    "integration": (
        "test_consuming.py",
        "test_publishing.py",
        "test_relay_health.py",
        "test_service_process.py",
        "test_stack_dead_letters.py",
        "test_stack_fixtures.py",
        "test_stack_topics.py",
        "test_tenancy.py",
        "test_training_crash_table.py",
    ),
    "e2e": ("test_security.py", "test_erasure.py", "test_compare.py", "test_test_chat.py"),
}
"""What `deploy` also runs on servers in containers."""
SECURE = ("test_security.py", "test_erasure.py", "test_compare.py", "test_test_chat.py")
"""Of the end-to-end tests, what `secure` runs on servers that take TLS, passwords and rights only."""
BY_FILE = ("browser", "e2e", "secure")
"""Parts whose tests of a file look at the same things, so that they stay with one worker."""


def run(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """Run the parts asked for; exit status 0 when all of them passed."""
    folders, asked = parts(), arguments.part.split(",")
    if not {"all", "check", *folders, *ON_THEIR_OWN} >= set(asked):
        known = ", ".join([*folders, *ON_THEIR_OWN])
        print(f"./dev test: the parts are all, check, {known}; several by commas", file=sys.stderr)
        return 2
    chosen = dict.fromkeys(
        one for part in asked for one in (["check", *folders] if part == "all" else [part])
    )
    totals: Counter[str] = Counter()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with session_folder(settings) as folder:
            for part in chosen:
                files = () if part in asked else IN_ALL.get(part, ())
                totals += section(part, settings, folder, arguments.rest, files)
        if "deploy" in asked and not arguments.rest:
            totals += _in_containers()
    except (EngineError, ToolError) as error:  # servers were to be in containers
        print(f"./dev test: {error}", file=sys.stderr)
        totals["error"] += 1
    print(closing_line(totals, time.monotonic() - began), flush=True)
    return 1 if totals["failed"] or totals["error"] else 0


def _in_containers() -> Counter[str]:
    """Run once more, on servers in containers, the tests whose point is what servers do."""
    from deploy.containers import standins

    if standins.wanted():
        os.environ.setdefault("MORTARBOARD_KAFKA_IMAGE", standins.KAFKA)
        os.environ.setdefault("MORTARBOARD_POSTGRES_IMAGE", standins.POSTGRES)
    os.environ["MORTARBOARD_STACK"] = "containers"
    settings, counts = from_environment(), Counter[str]()
    with session_folder(settings) as folder:
        for part, files in IN_CONTAINERS.items():
            counts += section(part, settings, folder, [], files)
    return counts


def parts() -> list[str]:
    """Folders of tests/ that hold tests, in the order in which they run."""
    found = {path.parent.relative_to(ROOT / "tests").parts[0] for path in ROOT.glob("tests/*/**/test_*.py")}
    found -= set(ON_THEIR_OWN)
    return [*(name for name in FIRST if name in found), *sorted(found - set(FIRST))]


def section(
    part: str, settings: StackSettings, folder: Path, rest: list[str], files: Sequence[str] = ()
) -> Counter[str]:
    """Run one part, or some of its files, under a heading; return its counts."""
    print(f"\n===== {part} =====", flush=True)
    began = time.monotonic()
    if part == "check":
        counts = Counter(error=check.run(settings))
    elif (ROOT / "tests" / part / "__main__.py").exists():
        status = subprocess.run(
            [sys.executable, "-P", "-m", f"tests.{part}", *rest], cwd=ROOT, check=False
        ).returncode
        counts = Counter(passed=int(not status), failed=int(bool(status)))
    else:
        counts = _pytest(part, folder, rest, files)
    print(f"----- {part}: {time.monotonic() - began:.1f} s", flush=True)
    return counts


def _pytest(part: str, folder: Path, rest: list[str], files: Sequence[str]) -> Counter[str]:
    report = folder / f"{part}.xml"
    workers = ["-n", str(PARALLEL[part])] if part in PARALLEL else []
    workers += ["--dist", "loadfile"] if part in BY_FILE else []
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        *([f"tests/{part}/{name}" for name in files] or [f"tests/{part}"]),
        *([f"tests/e2e/{name}" for name in SECURE] if part == "secure" else []),
        "-q",
        f"--junit-xml={report}",
        *workers,
        *rest,
    ]
    env = os.environ | ({SECURED: "1"} if part == "secure" else {})
    status = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    counts = counted(report) if report.exists() else Counter()
    if status not in (0, 1) or (status and not counts["failed"] + counts["error"]):
        counts["error"] += 1
    return counts


def counted(report: Path) -> Counter[str]:
    """Counts of a JUnit file that pytest wrote."""
    counts: Counter[str] = Counter()
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314 -- our own file
        failed, error, skipped = (int(suite.get(name, 0)) for name in ("failures", "errors", "skipped"))
        passed = int(suite.get("tests", 0)) - failed - error - skipped
        counts += Counter(failed=failed, passed=passed, skipped=skipped, error=error)
    return counts


def closing_line(totals: Counter[str], seconds: float) -> str:
    """One line over all sections, in pytest's own form."""
    kinds = [f"{totals[kind]} {kind}" for kind in ("failed", "passed", "skipped") if totals[kind]]
    if totals["error"]:
        kinds.append(f"{totals['error']} error{'s' if totals['error'] > 1 else ''}")
    text = f" {', '.join(kinds) or 'no tests ran'} in {seconds:.2f}s "
    return text.center(80, "=")
