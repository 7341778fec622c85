"""Real servers for tests: one Kafka and PostgreSQL a session, a database and topics of its own for each test.

`servers`       the shared servers (never restart them: other tests use them at the same time)
`database`      name of a fresh copy of the migrated template database
`topics`        prefix of a fresh set of all topics; `parametrize("topics", [12], indirect=True)`: partitions
`surroundings`  all of it as what a service's settings are made from
`own_servers`   a Kafka and PostgreSQL for this test alone, to be restarted and killed

With MORTARBOARD_TEST_SECURE=1 the shared servers are secure and each service comes as its own user.
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.ctl.access import let_in
from deploy.stack import keeper, leftovers
from deploy.stack.prepared import Prepared
from deploy.stack.servers import Servers
from deploy.stack.services import Surroundings
from deploy.stack.session import FOLDER, session_folder
from deploy.stack.settings import from_environment
from deploy.stack.topics import create_topics, delete_topics
from tests.harness import PORTS

PARTITIONS = 3
_session = contextlib.ExitStack()


def pytest_configure() -> None:
    """Own the session's folder, unless `./dev test` or the controller of this worker does."""
    if FOLDER not in os.environ:
        _session.enter_context(session_folder(from_environment()))


def pytest_unconfigure() -> None:
    """Stop the servers, if this process owns them and any were started."""
    _session.close()


@pytest.fixture(scope="session")
def servers() -> Prepared:
    """The session's servers, started on first use."""
    return keeper.servers_of(Path(os.environ[FOLDER]))


@pytest.fixture
async def database(servers: Prepared) -> AsyncIterator[str]:
    """A fresh migrated database; dropped after the test."""
    name = leftovers.database(servers.run)
    await servers.databases.create(name, servers.template)
    yield name
    await servers.databases.drop(name)


@pytest.fixture
async def topics(servers: Prepared, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """All topics under a fresh prefix; deleted after the test."""
    prefix = leftovers.prefix(servers.run)
    names = await create_topics(servers.broker, prefix, getattr(request, "param", PARTITIONS))
    if servers.secure:
        await let_in(servers.broker, {}, prefix)
    yield prefix
    await delete_topics(servers.broker, names)


@pytest.fixture
def surroundings(servers: Prepared, database: str, topics: str, tmp_path: Path) -> Surroundings:
    """What services of this test are set up with; `.environment(name, ...)` gives their variables."""
    objects = tmp_path / "objects"
    objects.mkdir()
    made = Surroundings(
        kafka_bootstrap=servers.bootstrap,
        databases=servers.databases,
        database=database,
        objects=objects,
        issuer=servers.issuer,
        master_key=servers.master_key,
        topic_prefix=topics,
        secure=servers.secure,
    )
    made.keep_addresses()
    return made


@pytest.fixture
async def own_servers() -> AsyncIterator[Servers]:
    """A Kafka and PostgreSQL for this test alone; `deploy.stack.prepared.prepare` fills them."""
    session = Path(os.environ[FOLDER])
    folder = session / f"own-{uuid.uuid4().hex[:6]}"
    with keeper.memory_for(session, restarted=True) as memory:
        async with Servers.on_free_ports(folder, memory, ports=PORTS) as own:
            yield own
    shutil.rmtree(folder, ignore_errors=True)
