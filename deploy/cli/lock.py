"""`./dev lock`."""

import argparse
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from deploy.stack.settings import ROOT, StackSettings


def run(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """Make requirements.lock: every platform, hashes, Python from 3.11, without the members themselves.

    Or, with --images, the lists of what each image holds of it, from what is installed here.
    """
    if arguments.images:
        return subprocess.run(
            [sys.executable, "-P", "-m", "deploy.images.closure"], cwd=ROOT, check=False
        ).returncode
    members = [ROOT / "contracts", *sorted(path.parent for path in ROOT.glob("services/*/pyproject.toml"))]
    names = [tomllib.loads((member / "pyproject.toml").read_text())["project"]["name"] for member in members]
    command = [
        str(uv(settings.cache)), "pip", "compile", "pyproject.toml", "--group", "stack", "--group", "test",
        "--universal", "--generate-hashes", "--python-version", "3.11", "--no-header", "--no-annotate",
        *(part for name in names for part in ("--no-emit-package", name)),
        *(["--upgrade"] if arguments.upgrade else []),
        "--quiet", "--output-file", "requirements.lock",
    ]  # fmt: skip
    status = subprocess.run(command, cwd=ROOT, env=os.environ, check=False).returncode
    if not status:
        print("requirements.lock is made; the next ./dev command installs it")
        print("when a member's libraries changed, then also: ./dev lock --images")
    return status


def uv(cache: Path) -> Path:
    """The newest uv that `./dev` brought."""
    return max(cache.glob("boot-*/bin/uv"), key=lambda path: path.stat().st_mtime)
