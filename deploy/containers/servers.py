"""Kafka and PostgreSQL in containers, for tests: the same to the caller as the processes of the local stack.

Images by MORTARBOARD_KAFKA_IMAGE and MORTARBOARD_POSTGRES_IMAGE, else the official ones.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import docker
from docker.errors import APIError, NotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.exceptions import ContainerStartException

from deploy.stack.kafka import SMALL_MACHINE, answers, cluster_id
from deploy.stack.postgres import INITDB, SETTINGS, admin_answers
from deploy.stack.processes import Process, ProcessError
from deploy.stack.session import FOLDER

IMAGES = {"MORTARBOARD_KAFKA_IMAGE": "apache/kafka:4.3.1", "MORTARBOARD_POSTGRES_IMAGE": "postgres:18"}
READY_WITHIN_S, POLL_S, STOP_WITHIN_S = 90.0, 0.1, 20
SESSION = "mortarboard.session"
"""Label: the folder of the test session that a container belongs to."""


def image(setting: str) -> str:
    """The image that a setting names, or the official one."""
    return os.environ.get(setting) or IMAGES[setting]


class Contained:
    """A server in a container whose port is published on 127.0.0.1; its data end with the container."""

    process: Process | None = None
    """It is no process of ours."""

    def __init__(self, name: str, container: DockerContainer, inside: int, port: int) -> None:
        # ours to remove: the reaper would be one more image, and mounts the engine's socket
        testcontainers_config.ryuk_disabled = True
        self.name = name
        self._container = container.with_kwargs(labels={SESSION: os.environ.get(FOLDER, "")})
        published: dict[str, Any] = container.ports
        published[f"{inside}/tcp"] = ("127.0.0.1", port)
        self._made = False

    async def start(self) -> None:
        """Make the container, or start it again on the same port with the same data; it is not ready yet."""
        if self._made:
            await asyncio.to_thread(self._container.get_wrapped_container().start)
        else:
            self._made = True
            await asyncio.to_thread(self._container.start)

    async def _ready(self, probe: Callable[[], Awaitable[bool]]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not await probe():
            running = await asyncio.to_thread(self._running)
            if not running or time.monotonic() > deadline:
                raise ProcessError(f"{self.name} did not get ready\n{await asyncio.to_thread(self._tail)}")
            await asyncio.sleep(POLL_S)

    def _running(self) -> bool:
        container = self._container.get_wrapped_container()
        container.reload()
        return bool(container.status == "running")

    def _tail(self) -> str:
        return str(self._container.get_wrapped_container().logs(tail=20).decode(errors="replace"))

    async def stop(self) -> None:
        """Stop it in order; `start` brings it back."""
        if self._made:
            container = self._container.get_wrapped_container()
            await asyncio.to_thread(container.stop, timeout=STOP_WITHIN_S)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        try:
            self._container.get_wrapped_container().kill()
        except (APIError, ContainerStartException):  # it does not run, or its image was not to be had
            return

    async def remove(self) -> None:
        """Let go of the container and of its data."""
        if self._made:
            await asyncio.to_thread(self._container.stop)
            self._made = False


class ContainedKafka(Contained):
    """The broker, with the settings of the local stack."""

    def __init__(self, port: int, *, in_memory: bool) -> None:
        self.bootstrap = f"127.0.0.1:{port}"
        settings = SMALL_MACHINE | {
            # transactions make it call itself, and the published port is not there inside
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093,INSIDE://127.0.0.1:9094",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap},INSIDE://127.0.0.1:9094",
            "inter.broker.listener.name": "INSIDE",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.quorum.voters": "1@127.0.0.1:9093",
            "log.dirs": "/var/lib/kafka/data",
        }
        env = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}
        env |= {"KAFKA_HEAP_OPTS": "-Xmx512m -Xms512m", "CLUSTER_ID": cluster_id()}
        container = DockerContainer(image("MORTARBOARD_KAFKA_IMAGE"), env=env)
        if in_memory:
            container.tmpfs["/var/lib/kafka/data"] = "uid=1000,gid=1000"
        super().__init__("kafka", container, 9092, port)

    async def ready(self) -> None:
        """Wait until it answers."""
        await self._ready(lambda: answers(self.bootstrap))


class ContainedPostgres(Contained):
    """The database server, with the settings of the local stack."""

    def __init__(self, port: int, *, in_memory: bool) -> None:
        self.port = port
        password = secrets.token_urlsafe(24)
        self.admin_url = f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"
        locale = [word for word in INITDB if word.startswith(("--encoding", "--locale", "--builtin"))]
        env = {"POSTGRES_PASSWORD": password, "POSTGRES_INITDB_ARGS": " ".join(locale)}
        command = ["postgres"]
        for name, value in SETTINGS.items():
            if not name.endswith(("addresses", "directories")):  # the image knows its own
                command += ["-c", f"{name}={value}"]
        container = DockerContainer(image("MORTARBOARD_POSTGRES_IMAGE"), env=env)
        container.with_command(command)
        if in_memory:
            container.tmpfs["/var/lib/postgresql"] = "uid=999,gid=999"
        super().__init__("postgres", container, 5432, port)

    async def ready(self) -> None:
        """Wait until it answers."""
        await self._ready(lambda: admin_answers(self.admin_url))


def contained(ports: Mapping[str, int], *, in_memory: bool) -> tuple[ContainedKafka, ContainedPostgres]:
    """Both servers, not started yet."""
    return (
        ContainedKafka(ports["kafka"], in_memory=in_memory),
        ContainedPostgres(ports["postgres"], in_memory=in_memory),
    )


def sweep(is_over: Callable[[str], bool]) -> None:
    """Remove containers of test sessions that are over, however they ended."""
    client = docker.from_env()
    try:
        for container in client.containers.list(all=True, filters={"label": SESSION}):
            if is_over(container.labels[SESSION]):
                try:
                    container.remove(force=True, v=True)
                except (NotFound, APIError):  # somebody else removes it just now
                    continue
    finally:
        client.close()
