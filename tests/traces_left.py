"""Where a text is still to be found: tables, object storage and topics."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from contracts.topics import TOPICS, dead_letter_topics
from deploy.stack.services import Surroundings
from tests.harness import records


async def in_tables(surroundings: Surroundings, text: str) -> list[str]:
    """The tables of all services that hold the text, also as bytes."""
    found = []
    async with surroundings.databases.connection(surroundings.database) as connection:
        for row in await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
            "WHERE schemaname LIKE '%\\_svc' OR schemaname = 'vault'"
        ):
            held = await connection.fetchval(
                f"SELECT count(*) FROM {row['name']} t "
                "WHERE strpos(lower(t::text), lower($1)) > 0 OR strpos(t::text, $2) > 0",
                text,
                text.encode().hex(),
            )
            if held:
                found.append(row["name"])
    return sorted(found)


def in_objects(surroundings: Surroundings, text: str) -> list[str]:
    """The objects that hold the text."""
    folder = Path(surroundings.objects)
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    )


async def in_topics(surroundings: Surroundings, text: str) -> dict[str, datetime]:
    """The topics that hold the text, with the time of the youngest copy."""
    youngest: dict[str, datetime] = {}
    for name in (*TOPICS, *dead_letter_topics()):
        for record in await records(surroundings, name):
            if record.value is not None and text.encode() in record.value:
                at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
                youngest[name] = max(at, youngest.get(name, at))
    return youngest
