"""An earlier commit of this repository: its files, its migrations, an environment that runs its services."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.stack.settings import ROOT

SETTING = "MORTARBOARD_UPGRADE_FROM"


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)


def _known(name: str) -> str:
    found = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return found.stdout.decode().strip()


def earlier_commit() -> str:
    """The commit to come from: the setting's, else the newest release's, else the one before this.

    A shallow clone is deepened by one commit; fails where there is no earlier one.
    """
    wanted = os.environ.get(SETTING, "")
    if wanted:
        commit = _known(wanted)
    else:
        tag = _git("describe", "--tags", "--abbrev=0", "--match=v*", "HEAD^").stdout.decode().strip()
        commit = _known(tag or "HEAD^")
        if not commit and _git("fetch", "--quiet", "--deepen=1").returncode == 0:
            commit = _known("HEAD^")
    if not commit:
        pytest.fail(
            f"there is no commit {wanted or 'HEAD^'} here: fetch more, or set {SETTING} to one that is"
        )
    return commit


@dataclass(frozen=True, slots=True)
class Earlier:
    """The files of a commit below a folder of their own, and how its services are started."""

    commit: str
    root: Path
    python: str
    path: str
    """What Python looks into before its own packages; empty when the commit has an environment of its own."""

    @classmethod
    def unpacked(cls, folder: Path) -> Earlier:
        """Unpack the commit; it gets an environment of its own only if it needs other libraries."""
        commit = earlier_commit()
        archive = _git("archive", "--format=tar", commit).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        if _digest(folder) == _digest(ROOT):
            members = [folder / "contracts", *sorted((folder / "services").iterdir())]
            return cls(commit, folder, sys.executable, os.pathsep.join(map(str, members)))
        made = subprocess.run([sys.executable, folder / "dev", "--help"], capture_output=True, check=False)
        assert made.returncode == 0, made.stderr.decode()[-2000:]
        return cls(commit, folder, str(folder / ".dev" / "venv" / "bin" / "python"), "")

    def migration_folders(self, schema: str) -> list[Path]:
        """Where the commit has a service's migrations."""
        places = [
            self.root / "services" / "chassis" / "chassis" / "migrations",
            self.root / "services" / schema.replace("_", "-") / "migrations",
        ]
        return [place for place in places if any(place.glob("*.sql"))]

    def place_of(self, package: str) -> Path:
        """Where its Python finds a package."""
        code = f"import {package}; print({package}.__file__)"
        environment = {**os.environ, "PYTHONPATH": self.path}
        found = subprocess.run(
            [self.python, "-P", "-c", code], env=environment, capture_output=True, check=True, text=True
        )
        return Path(found.stdout.strip())


def _digest(root: Path) -> str:
    return hashlib.sha256((root / "requirements.lock").read_bytes()).hexdigest()
