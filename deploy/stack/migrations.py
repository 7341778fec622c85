"""Rules for migration files: one number once, a released file never changes."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from deploy.stack import files
from deploy.stack.databases import SCHEMAS, migration_folders
from deploy.stack.settings import ROOT

RELEASED = Path(__file__).with_name("migrations.sha256")
NAME = re.compile(r"^\d{4}_[a-z0-9_]+\.sql$")


def all_migrations() -> list[Path]:
    """Every migration file, each once."""
    return sorted(
        {path for schema in SCHEMAS for folder in migration_folders(schema) for path in folder.glob("*.sql")}
    )


def released() -> dict[str, str]:
    """Checksums of the released files by their path in the repository."""
    return files.checksums(RELEASED) if RELEASED.exists() else {}


def checksum(path: Path) -> str:
    """The hex sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def up_part(text: str) -> str:
    """What dbmate runs on the way up; the rest is blanked so that line numbers stay."""
    before, _, after = text.partition("-- migrate:down")
    return before + "\n" * after.count("\n")


def problems(root: Path, folders: Mapping[str, list[Path]], known: Mapping[str, str]) -> list[str]:
    """What is wrong with the migrations of each schema: names, numbers, changed or lost released files."""
    found = []
    for schema, places in folders.items():
        numbers: dict[str, Path] = {}
        for path in (path for place in places for path in sorted(place.glob("*.sql"))):
            where = path.relative_to(root)
            if not NAME.match(path.name):
                found.append(f"{where}: the name must be like 1002_add_labels.sql")
            if "-- migrate:up" not in path.read_text():
                found.append(f"{where}: there is no line `-- migrate:up`")
            first = numbers.setdefault(path.name[:4], path)
            if first != path:
                found.append(f"{where}: {schema} has this number already in {first.relative_to(root)}")
    for name, expected in known.items():
        if not (root / name).exists():
            found.append(f"{name}: it was released and is gone")
        elif checksum(root / name) != expected:
            found.append(f"{name}: it was released and has changed; add a new migration instead")
    return sorted(set(found))


def current_problems() -> list[str]:
    """The same for this checkout."""
    return problems(ROOT, {schema: migration_folders(schema) for schema in SCHEMAS}, released())


def release() -> list[str]:
    """Record every new migration as released; return their paths."""
    known = released()
    new = [
        str(path.relative_to(ROOT)) for path in all_migrations() if str(path.relative_to(ROOT)) not in known
    ]
    lines = sorted((known | {name: checksum(ROOT / name) for name in new}).items())
    RELEASED.write_text("".join(f"{digest}  {name}\n" for name, digest in lines))
    return new
