"""An engine, images built from this checkout, and a composition of its own for each file of tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.containers import images, standins
from deploy.containers.engine import Docker, engine
from deploy.stack.settings import from_environment
from tests.deploy.composition import TAG, Composition, sweep

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Count a test's own seconds only: what it stands on takes minutes to build on a machine that is new."""
    for item in items:
        if item.path.parent == HERE:
            limits = item.get_closest_marker("timeout")
            seconds = limits.args[0] if limits else float(config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(seconds, func_only=True), append=False)


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """A client of an engine; the engine is ended afterwards if it is ours."""
    with engine(from_environment()) as client, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", client.host)
        sweep(client)
        yield client


@pytest.fixture(scope="session")
def built(docker: Docker) -> Docker:
    """The same once every image is there, built from this checkout."""
    if standins.wanted():
        standins.build(docker, from_environment(), print)
    images.build(docker, os.environ, tag=TAG, standins=standins.wanted(), say=print)
    return docker


@pytest.fixture(scope="module")
def composition(built: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    """All of it, started and ready, with fresh data; removed afterwards."""
    own = Composition(built, tmp_path_factory.mktemp("compose"), with_standins=standins.wanted())
    try:
        own.start()
        yield own
    finally:
        own.remove()
