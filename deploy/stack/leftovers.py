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
    runs = await _runs(databases)
    over = {run: names for run, names in runs.items() if not await _used(databases, run, names)}
    if over:
        async with admin(broker) as client:
            topics = await client.list_topics()
        for run, names in over.items():
            await delete_topics(broker, [name for name in topics if name.startswith(f"t{run}-")])
            for name in (*names, template(run)):
                await databases.drop(name)
    return sorted(over)


async def _runs(databases: Databases) -> dict[str, list[str]]:
    """Every run whose template is there, with its databases."""
    async with databases.connection() as connection:
        rows = await connection.fetch("SELECT datname FROM pg_database")
    names = [row["datname"] for row in rows]
    runs = [name.removeprefix(f"{TEMPLATE}_") for name in names if name.startswith(f"{TEMPLATE}_")]
    return {run: [name for name in names if name.startswith(f"test_{run}_")] for run in runs}


async def _used(databases: Databases, run: str, names: list[str]) -> bool:
    async with databases.connection() as connection:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 OR datname = ANY ($2)",
                SESSION + run,
                [*names, template(run)],
            )
        )
