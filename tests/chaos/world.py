"""The world of the ledger test: servers and instances of its own, and what befalls them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.stack import keeper
from deploy.stack.prepared import prepare
from deploy.stack.servers import Servers
from deploy.stack.services import Surroundings
from deploy.stack.session import FOLDER
from deploy.stack.topics import create_topics
from tests.harness import PORTS, Running, instance

SESSION_TIMEOUT = 3.0
PAUSE = 5.0
SERVICES = ("dialog-svc", "dataset-svc")


@dataclass
class World:
    """Two instances of each service on servers that may be restarted."""

    servers: Servers
    surroundings: Surroundings
    instances: list[Running]
    counts: Counter[str] = field(default_factory=Counter)

    async def chaos(self, seed: int, *, kills: int, pauses: int, restarts: int) -> None:
        """Kill, pause and restart in an order that the seed decides."""
        dice = random.Random(seed)
        acts = ["kill"] * kills + ["pause"] * pauses + ["kafka", "postgres"] * restarts
        dice.shuffle(acts)
        for act in acts:
            await asyncio.sleep(dice.uniform(0.5, 2.0))
            self.counts[act] += 1
            if act == "kafka":
                await self.servers.restart_kafka()
            elif act == "postgres":
                await self.servers.restart_postgres()
            else:
                await getattr(self, act)(dice.choice(self.instances), dice.uniform(0.0, 1.0))

    async def kill(self, victim: Running, delay: float) -> None:
        """SIGKILL, and a replacement in the same slot."""
        victim.send(signal.SIGKILL)
        if victim.process is not None:
            await asyncio.to_thread(victim.process.wait)
        await asyncio.sleep(delay)
        victim.start()

    async def pause(self, victim: Running, delay: float) -> None:
        """SIGSTOP past the session timeout: others take over, then it wakes and knows nothing of it."""
        victim.send(signal.SIGSTOP)
        await asyncio.sleep(PAUSE + delay)
        victim.send(signal.SIGCONT)

    async def revive(self) -> None:
        """See to it that every instance runs."""
        for one in self.instances:
            if one.process is None or one.process.poll() is not None:
                one.start()


@asynccontextmanager
async def _servers(folder: Path) -> AsyncIterator[Servers]:
    with keeper.memory_for(Path(os.environ[FOLDER]), restarted=True) as memory:
        async with Servers.on_free_ports(folder, memory, ports=PORTS) as servers:
            yield servers


@asynccontextmanager
async def world(folder: Path, issuer: str) -> AsyncIterator[World]:
    """Servers and instances below `folder`; everything is ended afterwards."""
    async with _servers(folder / "servers") as servers:
        prepared = await prepare(servers.bootstrap, servers.admin_url, issuer, folder / "servers")
        await create_topics(servers.bootstrap, "", 6)
        objects = folder / "objects"
        objects.mkdir()
        surroundings = Surroundings(
            kafka_bootstrap=servers.bootstrap,
            databases=prepared.databases,
            database=prepared.template,
            objects=objects,
            issuer=issuer,
            master_key=prepared.master_key,
        )
        instances = [
            instance(
                surroundings, name, folder, slot, session_timeout=str(SESSION_TIMEOUT), log_level="warning"
            )
            for name in SERVICES
            for slot in ("1", "2")
        ]
        try:
            for one in instances:
                one.start()
            await asyncio.gather(*(one.ready() for one in instances))
            yield World(servers, surroundings, instances)
        finally:
            for one in instances:
                one.stop(signal.SIGKILL)
