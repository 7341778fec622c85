"""What the console's pages load: npm's packages by their lock, and our own files, named with their hash.

Fetched once for each lock into the cache; built into console_svc/static when any of it changed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy.stack import files
from deploy.stack.processes import ProcessError
from deploy.stack.settings import ROOT, StackSettings

CONSOLE = ROOT / "services" / "console-svc"
WEB = CONSOLE / "web"
OWN = CONSOLE / "console_svc" / "assets"
BUILT = CONSOLE / "console_svc" / "static"
MANIFEST = "manifest.json"
LOCKED = ("package.json", "package-lock.json", ".npmrc")
VENDORED = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "htmx-sse.js": "htmx.org/dist/ext/hx-sse.min.js",
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
}
"""Under which name pages ask for a file of a package."""
Say = Callable[[str], None]


def _silent(_: str) -> None:
    """Say nothing."""


def build(settings: StackSettings, say: Say = _silent, *, into: Path = BUILT) -> Path:
    """Bring `into` up to date; returns the folder of npm's packages, for what only tests load."""
    with files.locked(settings.cache / "web.lock"):
        modules = _packages(settings, say)
        sources = {name: modules / path for name, path in VENDORED.items()}
        sources |= {path.name: path for path in OWN.iterdir()}
        write(sources, into)
    return modules


def write(sources: Mapping[str, Path], into: Path) -> None:
    """Write files under names with the hash of their content, and which name is which; the manifest last.

    What was built before stays until the manifest no longer names it, so that a running page finds its files.
    """
    manifest = {name: hashed_name(name, path.read_bytes()) for name, path in sorted(sources.items())}
    listed = into / MANIFEST
    whole = all((into / name).exists() for name in manifest.values())
    if whole and listed.exists() and json.loads(listed.read_text()) == manifest:
        return
    files.make(into)
    before = set(json.loads(listed.read_text()).values()) if listed.exists() else set()
    for name, hashed in manifest.items():
        part = into / f"{hashed}.part"
        shutil.copyfile(sources[name], part)
        part.replace(into / hashed)
    files.write_whole(listed, json.dumps(manifest, indent=1) + "\n", 0o644)
    for path in into.iterdir():
        if path.name not in {MANIFEST, *manifest.values(), *before}:
            path.unlink()


def hashed_name(name: str, content: bytes) -> str:
    """Return `console.css` as `console.0123456789ab.css`."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"


def _packages(settings: StackSettings, say: Say) -> Path:
    """Return the packages of the lock, fetched into the cache by npm, which checks each against its hash."""
    digest = hashlib.sha256(b"\0".join((WEB / name).read_bytes() for name in LOCKED)).hexdigest()[:12]
    folder = settings.cache / "web" / digest
    if not folder.exists():
        say("· fetching what the console's pages load (once)")
        part = folder.with_name(f"{digest}.part")
        shutil.rmtree(part, ignore_errors=True)
        files.make(part)
        for name in LOCKED:
            shutil.copyfile(WEB / name, part / name)
        npm = Path(sys.executable).with_name("npm")
        env = {**os.environ, "NPM_CONFIG_CACHE": str(settings.cache / "npm")}
        done = subprocess.run(
            [npm, "ci"], cwd=part, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise ProcessError(f"npm ci failed with status {done.returncode}\n{done.stdout[-2000:]}")
        part.rename(folder)
    return folder / "node_modules"
