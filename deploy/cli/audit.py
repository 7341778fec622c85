"""Two checks of `./dev check`: libraries with known weaknesses, and secrets in files that git keeps."""

import datetime
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deploy.stack import files
from deploy.stack.settings import ROOT, StackSettings

BIN = Path(sys.executable).parent
LOCK = ROOT / "requirements.lock"
BASELINE = ROOT / ".secrets.baseline"
REQUIRED = "MORTARBOARD_AUDIT"
"""`required`: libraries that could not be looked up fail the check, as they must before a release."""
AT_MOST_S = 120
LOUD = "NOT AUDITED"
ONLY_MOVED = 3
"""detect-secrets' status when it knows all that it found, some of it in another line."""


def libraries(settings: StackSettings) -> tuple[bool, str]:
    """Ask for advisories about each library of the lock, once a day; say loudly when nobody answers."""
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]
    kept = settings.cache / "audit" / f"{digest}-{day}.json"
    if not kept.exists():
        answer = _ask(kept.with_suffix(".part"))
        if answer is None:
            return judged([], 0, "pip-audit gave no answer")
        files.write_whole(kept, json.dumps(answer), 0o644)
        for old in kept.parent.glob("*.json"):
            if not old.name.endswith(f"{day}.json"):
                old.unlink(missing_ok=True)
    found = json.loads(kept.read_text())["dependencies"]
    weak = [
        f"{one['name']} {one['version']}: {bad['id']}, mended in: {' '.join(bad['fix_versions'])}"
        for one in found
        for bad in one.get("vulns", [])
    ]
    skipped = [one for one in found if "skip_reason" in one]
    why = f"{len(skipped)} of {len(found)} libraries" if skipped else ""
    return judged(weak, len(found), why)


def judged(weak: list[str], asked: int, not_audited: str) -> tuple[bool, str]:
    """Whether the check passes, and what is said; `not_audited` says of what nobody knew anything."""
    if weak:
        return False, "\n".join(weak)
    if not_audited:
        required = os.environ.get(REQUIRED) == "required"
        return not required, (
            f"{LOUD}: {not_audited}: the package index here serves no advisories. "
            f"A release is checked with {REQUIRED}=required where it does."
        )
    return True, f"{asked} libraries, no known weakness"


def _ask(report: Path) -> dict[str, object] | None:
    report.parent.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [BIN / "pip-audit", "-r", LOCK, "--disable-pip", "--require-hashes"]
    try:
        subprocess.run(
            [*command, "-f", "json", "-o", report, "--progress-spinner", "off"],
            cwd=ROOT, capture_output=True, timeout=AT_MOST_S, check=False,
        )  # fmt: skip
        answer: dict[str, object] = json.loads(report.read_text())
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    finally:
        report.unlink(missing_ok=True)
    return answer


def secrets(settings: StackSettings) -> tuple[bool, str]:
    """Look for secrets in every file that git keeps and that was not found clean before, as it is now."""
    kept = settings.cache / "audit" / f"clean-{hashlib.sha256(BASELINE.read_bytes()).hexdigest()[:12]}.txt"
    clean = set(kept.read_text().split()) if kept.exists() else set()
    try:
        there = tracked()
    except subprocess.CalledProcessError as error:  # no checkout, or somebody else's
        return False, error.stderr
    digests = {path: hashlib.sha256((ROOT / path).read_bytes()).hexdigest() for path in there}
    new = [path for path, digest in digests.items() if digest not in clean]
    if not new:
        return True, ""
    tests = [path for path in new if path.startswith("tests/")]
    # what tests call a password is none; what has the form of a real one is looked for in them as well
    said = _hook(sorted(set(new) - set(tests))) + _hook(tests, "--disable-plugin", "KeywordDetector")
    if not said:
        files.write_whole(kept, "\n".join(sorted({*clean, *digests.values()})), 0o644)
    return not said, said


def _hook(paths: list[str], *options: str) -> str:
    """What detect-secrets says of these files that the baseline does not; empty is good."""
    if not paths:
        return ""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(BASELINE, folder)  # it writes lines that moved into its baseline
        command: list[str | Path] = [BIN / "detect-secrets-hook", "--baseline", copy, "--no-verify"]
        command += [*options, *paths]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode in (0, ONLY_MOVED) else done.stdout + done.stderr


def tracked() -> list[str]:
    """The text files that git keeps, but for lists of checksums, which are nothing but random strings."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [
        path
        for path in listed.splitlines()
        if (ROOT / path).is_file()
        and not path.endswith(
            (".lock", ".sha256", ".webp", ".png", ".gz", "package-lock.json", BASELINE.name)
        )
    ]
