"""Rolled forward and back under load: old and new services work side by side, and nothing is lost.

The order is that of an upgrade: the new migrations while all services are old, then one instance after the
other. MORTARBOARD_UPGRADE_FROM names the version to come from.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.stack import databases as stack_databases
from deploy.stack.databases import migration_folders
from deploy.stack.prepared import Prepared
from deploy.stack.services import SERVICES, Surroundings, simulated_catalogue
from tests.chaos.ledger import FAULTS, check, drained
from tests.chaos.load import TENANTS, Ledger, curate, publish_load
from tests.chaos.world import World
from tests.harness import Running, instance, token, until
from tests.upgrade.earlier import Earlier

ROUND, LENGTH, EXAMPLES, SECONDS, SEED = 48, 20, 20, 8.0, 4711
NOBODY = "http://127.0.0.1:9"
"""No provider: nothing is trained here."""
PAIRS = ("dialog-svc", "dataset-svc")


class Fleet:
    """Two instances of the services that bear the load, one of the others; each is of one of the versions."""

    def __init__(self, surroundings: Surroundings, earlier: Earlier, folder: Path) -> None:
        names = [one.name for one in SERVICES]
        slots = [*((name, "1") for name in names), *((name, "2") for name in PAIRS)]
        self.instances = [
            instance(surroundings, name, folder, slot, session_timeout="3", log_level="warning")
            for name, slot in slots
        ]
        self._earlier = earlier
        self._new = {id(one): one.python for one in self.instances}

    def be(self, one: Running, *, old: bool) -> None:
        """Say of which version it is when it starts next."""
        one.python = self._earlier.python if old else self._new[id(one)]
        one.environment["PYTHONPATH"] = self._earlier.path if old else ""

    async def start(self, *, old: bool) -> None:
        for one in self.instances:
            self.be(one, old=old)
            one.start()
        await asyncio.gather(*(one.ready() for one in self.instances))

    async def roll(self, *, old: bool) -> None:
        """Replace one instance after the other, as a Deployment does: each leaves in good order."""
        for one in self.instances:
            status = await asyncio.to_thread(one.stop)
            assert status == 0, one.log.read_text()[-2000:]
            self.be(one, old=old)
            one.start()
            await one.ready()


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    folder = tmp_path / "earlier"
    folder.mkdir()
    return Earlier.unpacked(folder)


@pytest.fixture
async def old_surroundings(
    servers: Prepared, surroundings: Surroundings, earlier: Earlier, tmp_path: Path
) -> Surroundings:
    """Topics of today, a database as the earlier commit migrates it."""
    databases = surroundings.databases
    await databases.drop(surroundings.database)
    await databases.create(surroundings.database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            stack_databases, "migration_folders", lambda schema, **_: earlier.migration_folders(schema)
        )
        await databases.migrate(surroundings.database, tmp_path)
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(simulated_catalogue(NOBODY))
    return replace(surroundings, catalogue=catalogue)


@pytest.mark.timeout(300)
async def test_versions_side_by_side_lose_nothing_forward_and_back(
    servers: Prepared,
    old_surroundings: Surroundings,
    earlier: Earlier,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for service in SERVICES:
        assert earlier.place_of(service.package).is_relative_to(earlier.root), "the old code is what is run"
    ledger, began = Ledger(), time.monotonic()
    tokens = {tenant: await token(servers.issuer, tenant) for tenant in TENANTS}
    fleet = Fleet(old_surroundings, earlier, tmp_path)
    world: Any = World(None, old_surroundings, fleet.instances)  # type: ignore[arg-type]
    try:
        await fleet.start(old=True)
        rolled = asyncio.Event()
        loading = asyncio.create_task(_load(old_surroundings, ledger, rolled))

        async def planned() -> bool:
            return len(ledger.dialogs) >= ROUND

        await until(planned)
        curating = asyncio.create_task(curate(world, ledger, SEED, examples=EXAMPLES, tokens=tokens))
        await asyncio.sleep(2)
        await old_surroundings.databases.migrate(old_surroundings.database, tmp_path)
        await asyncio.sleep(2)  # old services on the new schema
        await fleet.roll(old=False)
        await fleet.roll(old=True)
        rolled.set()
        await asyncio.gather(loading, curating)
        await until(lambda: drained(old_surroundings, ledger), within=90, what="drained")
        report = await check(old_surroundings, ledger)
    finally:
        for one in fleet.instances:
            one.stop(9)
    report |= {
        "from": earlier.commit[:10], "migrations": _new_migrations(earlier),
        "seconds": round(time.monotonic() - began),
    }  # fmt: skip
    with capsys.disabled():
        print(f"\nupgraded: {json.dumps(report)}", flush=True)
    assert not any(report[fault] for fault in FAULTS), report


async def _load(surroundings: Surroundings, ledger: Ledger, rolled: asyncio.Event) -> None:
    """Publish round after round, and the one at hand to its end when all is rolled."""
    first = 0
    while not rolled.is_set():
        await publish_load(
            surroundings, ledger, SEED, dialogs=ROUND, length=LENGTH, seconds=SECONDS, first=first
        )
        first += ROUND


def _new_migrations(earlier: Earlier) -> list[str]:
    """The files that the upgrade brings, by name."""
    found = set()
    for one in SERVICES:
        old = {
            path.name for folder in earlier.migration_folders(one.package) for path in folder.glob("*.sql")
        }
        new = {path.name for folder in migration_folders(one.package) for path in folder.glob("*.sql")}
        found |= new - old
    return sorted(found)
