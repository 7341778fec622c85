"""Objects that rows name, and those of them that storage lacks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from deploy.ctl import dump
from deploy.stack.databases import Databases

NAMED = {
    "dataset_svc.candidates": "SELECT uri, sha256 FROM dataset_svc.candidates WHERE uri IS NOT NULL",
    "training_svc.runs": "SELECT f ->> 'uri' AS uri, f ->> 'sha256' AS sha256 FROM training_svc.runs, "
    "jsonb_path_query(request, '$.files.* ? (@.uri != null)') f "
    "WHERE status NOT IN ('ready', 'failed', 'cancelled')",
}
"""By table. A run that has ended needs its files no more."""


@dataclass(frozen=True, slots=True)
class Named:
    """An object that rows name: its sha256 (hex), and the table."""

    sha256: str
    by: str


@dataclass(frozen=True, slots=True, order=True)
class Lost:
    """An object that rows name and that cannot be had as they know it."""

    path: str
    by: str
    state: Literal["missing", "damaged"]

    def __str__(self) -> str:
        return f"{self.state:<8} {self.path} ({self.by})"

    def as_dict(self) -> dict[str, Any]:
        """For the manifest of a backup."""
        return asdict(self)


async def by_rows(databases: Databases, database: str, moment: str = "") -> dict[str, Named]:
    """What rows name, by path; `moment` is a snapshot to look at instead of now."""
    found: dict[str, Named] = {}
    for table, sql in NAMED.items():
        schema = table.partition(".")[0]
        async with dump.owner_of(databases, database, schema, moment) as connection:
            found |= {row["uri"]: Named(row["sha256"], table) for row in await connection.fetch(sql)}
    return found


def missing(named: Mapping[str, Named], there: Iterable[str]) -> list[Lost]:
    """Which of the named objects are not among the paths that are there."""
    return sorted(Lost(path, named[path].by, "missing") for path in named.keys() - set(there))


def lost(named: Mapping[str, Named], have: Mapping[str, str]) -> list[Lost]:
    """The same with the sha256 of what is there: also what is not what its row says."""
    damaged = [
        Lost(path, one.by, "damaged")
        for path, one in named.items()
        if path in have and have[path] != one.sha256
    ]
    return sorted([*missing(named, have), *damaged])


async def still(databases: Databases, database: str, found: Sequence[Lost]) -> list[Lost]:
    """Those that rows name now, too, and that nobody erased.

    What lies in the folder of an erased dialog is deleted first, and the row that names it only when its
    service hears of it; nobody is to put that back.
    """
    if not found:
        return []
    rows = await by_rows(databases, database)
    folders = {one.path: PurePosixPath(one.path).parent.name for one in found}
    async with dump.owner_of(databases, database, "dialog_svc") as connection:
        erased = await connection.fetch(
            "SELECT encode(subject_hmac, 'hex') AS folder FROM dialog_svc.tombstones "
            "WHERE kind = 'dialog' AND encode(subject_hmac, 'hex') = ANY ($1)",
            list(folders.values()),
        )
    gone = {row["folder"] for row in erased}
    return [one for one in found if one.path in rows and folders[one.path] not in gone]


def in_words(found: Iterable[object]) -> str:
    """One a line, below what is said of them."""
    return "".join(f"\n  {one}" for one in found)
