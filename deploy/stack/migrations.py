"""Rules for migration files: one number once, released ones never change, each goes back or says why not."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from deploy.stack import files
from deploy.stack.databases import SCHEMAS, migration_folders
from deploy.stack.settings import ROOT

RELEASED = Path(__file__).with_name("migrations.sha256")
CONTRACT = "contract"
"""The folder, below a service's migrations, of those that only `migrate --contract` runs."""
DROPS = ("ban-drop-column", "ban-drop-table", "ban-drop-not-null", "renaming-column", "renaming-table")
"""What squawk refuses of an expansion and a contraction is for."""
FORWARD_ONLY = re.compile(r"^-- forward-only: \S", re.MULTILINE)
AFTER = re.compile(r"^-- contract: after \d+\.\d+\.\d+$", re.MULTILINE)
NAME = re.compile(r"^\d{4}_[a-z0-9_]+\.sql$")


def all_migrations() -> list[Path]:
    """Every migration file, each once."""
    return sorted(
        {
            path
            for schema in SCHEMAS
            for contract in (False, True)
            for folder in migration_folders(schema, contract=contract)
            for path in folder.glob("*.sql")
        }
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


def wrong_inside(text: str, folder: str) -> list[str]:
    """What is wrong with a file's text: it goes back or says why not; a contraction says from when on."""
    found = []
    if "-- migrate:up" not in text:
        found.append("there is no line `-- migrate:up`")
    down = [line for line in text.partition("-- migrate:down")[2].splitlines() if line.strip()]
    goes_back = any(not line.lstrip().startswith("--") for line in down)
    if not goes_back and not FORWARD_ONLY.search(text):
        found.append("it needs a `-- migrate:down` that works, or a line `-- forward-only: reason`")
    if re.search(r"^\s*SET\s+(LOCAL\s+|SESSION\s+)?lock_timeout", text, re.MULTILINE | re.IGNORECASE):
        found.append("lock_timeout is the runner's: 5 s for every statement")
    if folder == CONTRACT and not AFTER.search(text):
        found.append("a contraction needs a line `-- contract: after 1.2.3`, the last version that needs it")
    if folder != CONTRACT and AFTER.search(text):
        found.append(f"a contraction belongs into the folder {CONTRACT}/")
    return found


def problems(root: Path, folders: Mapping[str, list[Path]], known: Mapping[str, str]) -> list[str]:
    """What is wrong with the migrations of each schema: names, numbers, changed or lost released files."""
    found = []
    for schema, places in folders.items():
        numbers: dict[str, Path] = {}
        for path in (path for place in places for path in sorted(place.glob("*.sql"))):
            where = path.relative_to(root)
            if not NAME.match(path.name):
                found.append(f"{where}: the name must be like 1002_add_labels.sql")
            found += [f"{where}: {wrong}" for wrong in wrong_inside(path.read_text(), path.parent.name)]
            first = numbers.setdefault(path.name[:4], path)
            if first != path:
                found.append(f"{where}: {schema} has this number already in {first.relative_to(root)}")
        found += _too_low(root, places, known)
    for name, expected in known.items():
        if not (root / name).exists():
            found.append(f"{name}: it was released and is gone")
        elif checksum(root / name) != expected:
            found.append(f"{name}: it was released and has changed; add a new migration instead")
    return sorted(set(found))


def _too_low(root: Path, places: list[Path], known: Mapping[str, str]) -> list[str]:
    """New files that a fresh database would run before released ones of their folder, others after them."""
    found = []
    for place in places:
        names = {str(path.relative_to(root)): path.name for path in place.glob("*.sql")}
        newest = max((name for where, name in names.items() if where in known), default="")
        found += [
            f"{where}: a new number must lie above the released {newest[:4]}"
            for where, name in names.items()
            if where not in known and name < newest
        ]
    return found


def current_problems() -> list[str]:
    """The same for this checkout."""
    folders = {schema: migration_folders(schema) for schema in SCHEMAS}
    found = problems(ROOT, folders, released())
    contracting = {schema: migration_folders(schema, contract=True) for schema in SCHEMAS}
    return sorted({*found, *problems(ROOT, contracting, {})})


def release() -> list[str]:
    """Record every new migration as released; return their paths."""
    known = released()
    new = [
        str(path.relative_to(ROOT)) for path in all_migrations() if str(path.relative_to(ROOT)) not in known
    ]
    lines = sorted((known | {name: checksum(ROOT / name) for name in new}).items())
    RELEASED.write_text("".join(f"{digest}  {name}\n" for name, digest in lines))
    return new
