"""Freeze a version: `python -m contracts.release` copies the schemas and notes every file's hash.

From then on the tests hold new schemas against the copies and refuse changed files of that version.
"""

import sys
from hashlib import sha256
from pathlib import Path

from contracts.generate import RELEASE, ROOT

SUMS = "SHA256SUMS"


def frozen_files(version: str, root: Path = ROOT) -> list[Path]:
    """What a version consists of: its schemas and golden messages, relative to `root`."""
    folders = (root / "released" / version, root / "examples" / version)
    return sorted(path.relative_to(root) for folder in folders for path in folder.rglob("*.json"))


def sums(version: str, root: Path = ROOT) -> str:
    """One line a file, as sha256sum writes it."""
    lines = (
        f"{sha256((root / path).read_bytes()).hexdigest()}  {path.as_posix()}\n"
        for path in frozen_files(version, root)
    )
    return "".join(lines)


def freeze(version: str, root: Path = ROOT) -> None:
    """Copy the current schemas and note the hashes; FileExistsError when the version is frozen already."""
    target = root / "released" / version
    target.mkdir(parents=True)
    for path in sorted((root / "schemas").glob("*.json")):
        (target / path.name).write_bytes(path.read_bytes())
    (target / SUMS).write_text(sums(version, root), encoding="utf-8")


def main() -> int:
    """Freeze the current version; the exit status."""
    try:
        freeze(f"v{RELEASE}")
    except FileExistsError:
        print(f"v{RELEASE} is frozen: raise RELEASE in generate.py", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
