"""Kafka and PostgreSQL together, for the stack and for tests.

async with Servers.on_free_ports(folder) as servers:
    servers.bootstrap, servers.admin_url
    await servers.restart_kafka()
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from deploy.stack.kafka import Kafka
from deploy.stack.postgres import Postgres
from deploy.stack.settings import StackSettings, free_ports, from_environment

if TYPE_CHECKING:
    from deploy.containers.servers import ContainedKafka, ContainedPostgres


def silent(_: str) -> None:
    """Say nothing."""


class Servers:
    """A running Kafka and PostgreSQL; everything they write is below one folder."""

    def __init__(self, settings: StackSettings, say: Callable[[str], None] = silent) -> None:
        self.kafka: Kafka | ContainedKafka
        self.postgres: Postgres | ContainedPostgres
        if settings.mode == "containers":
            self.kafka, self.postgres = _contained(settings)
            return
        self.kafka = Kafka(settings, say)
        self.postgres = Postgres(
            data=settings.data / "postgres", logs=settings.logs, port=settings.ports["postgres"]
        )

    @classmethod
    def on_free_ports(cls, run: Path, data: Path | None = None) -> Self:
        """Servers of one's own below the folder `run`, on free ports; they keep their data in `data`.

        In containers where the environment says so: then their data are theirs, in memory if `data` is given.
        """
        kafka, controller, postgres = free_ports(3)
        ports = {"kafka": kafka, "kafka-controller": controller, "postgres": postgres}
        told = from_environment()
        mode = "containers" if told.mode == "containers" else "local"  # others' servers are not ours to end
        settings = StackSettings(run=run, cache=told.cache, ports=ports, mode=mode)
        return cls(replace(settings, data_name=str(data)) if data else settings)

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return self.kafka.bootstrap

    @property
    def admin_url(self) -> str:
        """PostgreSQL's address for the superuser; it holds the password."""
        return self.postgres.admin_url

    async def start(self) -> None:
        """Start both at once and wait until both answer."""
        await asyncio.gather(self.start_kafka(), self.start_postgres())

    async def start_kafka(self) -> None:
        """Start Kafka and wait until it answers."""
        await self.kafka.start()
        await self.kafka.ready()

    async def start_postgres(self) -> None:
        """Start PostgreSQL and wait until it answers."""
        await self.postgres.start()
        await self.postgres.ready()

    async def stop(self) -> None:
        """Stop both in order."""
        await asyncio.gather(self.kafka.stop(), self.postgres.stop())

    async def restart_kafka(self) -> None:
        """Stop Kafka in order and start it again on the same port with the same data."""
        await self.kafka.stop()
        await self.start_kafka()

    async def restart_postgres(self) -> None:
        """Stop PostgreSQL in order and start it again on the same port with the same data."""
        await self.postgres.stop()
        await self.start_postgres()

    def kill_kafka(self) -> None:
        """SIGKILL to Kafka; `start_kafka` brings it back."""
        self.kafka.kill()

    def kill_postgres(self) -> None:
        """SIGKILL to PostgreSQL; `start_postgres` brings it back."""
        self.postgres.kill()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            self.kill_kafka()
            self.kill_postgres()
            await self._remove()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        await self._remove()

    async def _remove(self) -> None:
        """Let go of containers; processes are gone when they are stopped."""
        for server in (self.kafka, self.postgres):
            if not isinstance(server, Kafka | Postgres):
                await server.remove()


def _contained(settings: StackSettings) -> "tuple[ContainedKafka, ContainedPostgres]":
    from deploy.containers.servers import contained  # a library that other stacks do without

    return contained(settings.ports, in_memory=Path(settings.data_name).is_absolute())
