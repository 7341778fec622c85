"""Objects that rows name, and those of them that storage lacks."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
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


def in_words(found: Iterable[object]) -> str:
    """One a line, below what is said of them."""
    return "".join(f"\n  {one}" for one in found)
