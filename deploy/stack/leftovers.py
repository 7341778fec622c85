"""What killed test runs left on servers that are somebody else's: databases and topics with the run's name.

A run keeps one session of PostgreSQL from before it makes anything until it ends, however it ends: while that
session is there, or another in one of its databases, nobody else touches what is the run's. Only topics
of runs that this PostgreSQL knows are deleted. The template goes last, so a sweep may be interrupted.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.stack.broker import Broker
from deploy.stack.databases import Databases
from deploy.stack.prepared import TEMPLATE
from deploy.stack.topics import admin, delete_topics

SESSION = "mortarboard tests "
"""What a run's session is called, before its name."""


def new_run() -> str:
    """A name that no other run has, on servers that others may use too."""
    return secrets.token_hex(4)


def template(run: str) -> str:
    """The run's template database."""
    return f"{TEMPLATE}_{run}"


def database(run: str) -> str:
    """A new name for a database of the run."""
    return f"test_{run}_{secrets.token_hex(6)}"


def prefix(run: str) -> str:
    """A new prefix for topics of the run."""
    return f"t{run}-{secrets.token_hex(4)}."


@asynccontextmanager
async def alive(databases: Databases, run: str) -> AsyncIterator[None]:
    """Let others see that a run is at work."""
    async with databases.connection() as connection:
        await connection.execute("SELECT set_config('application_name', $1, false)", SESSION + run)
        yield


async def sweep(databases: Databases, broker: Broker) -> list[str]:
    """Remove what is left of runs that are over; returns their names."""
    over = [run for run in await _runs(databases) if not await _used(databases, run)]
    for run in over:
        await remove(databases, broker, run)
    return sorted(over)


async def remove(databases: Databases, broker: Broker, run: str) -> None:
    """Remove all that is a run's."""
    async with admin(broker) as client:
        topics = [name for name in await client.list_topics() if name.startswith(f"t{run}-")]
    if topics:
        await delete_topics(broker, topics)
    for name in await _databases(databases, f"test_{run}_"):
        await databases.drop(name)
    await databases.drop(template(run))


async def _runs(databases: Databases) -> list[str]:
    """Every run whose template is there."""
    names = await _databases(databases, f"{TEMPLATE}_")
    return [name.removeprefix(f"{TEMPLATE}_") for name in names]


async def _databases(databases: Databases, beginning: str) -> list[str]:
    async with databases.connection() as connection:
        rows = await connection.fetch(
            "SELECT datname FROM pg_database WHERE starts_with(datname, $1)", beginning
        )
    return [row["datname"] for row in rows]


async def _used(databases: Databases, run: str) -> bool:
    async with databases.connection() as connection:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
                "AND (application_name = $1 OR datname = $2 OR starts_with(datname, $3))",
                SESSION + run,
                template(run),
                f"test_{run}_",
            )
        )
