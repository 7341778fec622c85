"""One world for all browser tests of a worker: it takes longer to make than to look at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from deploy.stack import leftovers
from deploy.stack.prepared import Prepared
from deploy.stack.services import Surroundings
from deploy.stack.topics import create_topics, delete_topics
from tests.browser.world import Console, console_world

expect.set_options(timeout=30_000)  # on a machine where everything else is tested at the same time


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def console(servers: Prepared, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    """The console with data, and a browser."""
    folder: Path = tmp_path_factory.mktemp("browser")
    objects = folder / "objects"
    objects.mkdir()
    database, prefix = leftovers.database(servers.run), leftovers.prefix(servers.run)
    await servers.databases.create(database, servers.template)
    names = await create_topics(servers.bootstrap, prefix, 3)
    surroundings = Surroundings(
        kafka_bootstrap=servers.bootstrap, databases=servers.databases, database=database, objects=objects,
        issuer=servers.issuer, master_key=servers.master_key, topic_prefix=prefix,
    )  # fmt: skip
    async with console_world(surroundings, folder) as made:
        yield made
    await delete_topics(servers.bootstrap, names)
    await servers.databases.drop(database)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def no_complaint(console: Console) -> AsyncIterator[None]:
    """No test may end with a report of the content policy, an error of a script, or one of the console."""
    before = console.failures()
    yield
    complaints, console.complaints = console.complaints, []
    assert complaints == []
    assert console.failures() == before
