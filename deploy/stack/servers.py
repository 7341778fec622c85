"""Kafka and PostgreSQL together, for the stack and for tests.

async with Servers.on_free_ports(folder) as servers:
    servers.bootstrap, servers.admin_url
    await servers.restart_kafka()
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Self

from deploy.stack.broker import Broker
from deploy.stack.kafka import Kafka
from deploy.stack.postgres import Postgres
from deploy.stack.postgres_tls import programs
from deploy.stack.secure import ADMIN, SECURE, Secure
from deploy.stack.settings import StackSettings, free_ports, from_environment

if TYPE_CHECKING:
    from deploy.containers.servers import ContainedKafka, ContainedPostgres


def silent(_: str) -> None:
    """Say nothing."""


class Servers:
    """A running Kafka and PostgreSQL; everything they write is below one folder."""

    def __init__(
        self,
        settings: StackSettings,
        say: Callable[[str], None] = silent,
        kafka_settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.secure = Secure.kept_in(settings.data / SECURE) if settings.secure else None
        self.kafka: Kafka | ContainedKafka
        self.postgres: Postgres | ContainedPostgres
        if settings.mode == "containers":
            self.kafka, self.postgres = _contained(settings)
            return
        self.kafka = Kafka(settings, say, self.secure, kafka_settings)
        self.postgres = Postgres(
            data=settings.data / "postgres",
            logs=settings.logs,
            port=settings.ports["postgres"],
            secure=self.secure,
            programs=partial(programs, settings, say) if self.secure else None,
        )

    @classmethod
    def on_free_ports(
        cls,
        run: Path,
        data: Path | None = None,
        *,
        secure: bool = False,
        kafka_settings: Mapping[str, str] = MappingProxyType({}),
        ports: Iterator[int] | None = None,
    ) -> Self:
        """Servers of one's own below the folder `run`, on free ports; they keep their data in `data`.

        Of `ports`, where some are one's own: whoever starts something meanwhile could be given the same.

        In containers where the environment says so, unless they are to be set up otherwise than usual: then
        their data are theirs, in memory if `data` is given.
        """
        kafka, controller, postgres = free_ports(3, ports)
        places = {"kafka": kafka, "kafka-controller": controller, "postgres": postgres}
        told = from_environment()
        usual = not (secure or kafka_settings)
        mode = "containers" if told.mode == "containers" and usual else "local"
        settings = StackSettings(run=run, cache=told.cache, ports=places, mode=mode, secure=secure)
        settings = replace(settings, data_name=str(data)) if data else settings
        return cls(settings, kafka_settings=kafka_settings)

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return self.kafka.bootstrap

    @property
    def broker(self) -> Broker:
        """How Kafka's administrator reaches it."""
        return self.secure.kafka(self.bootstrap, ADMIN) if self.secure else self.bootstrap

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
