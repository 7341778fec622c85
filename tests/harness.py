"""What tests on real servers share: running services, tokens, publishing and reading events."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient

from chassis.envelope import encode_headers, new_headers
from contracts.event import Event
from contracts.topics import message_key
from deploy.stack.broker import reached
from deploy.stack.services import ALL, BY_NAME, Surroundings, console_addresses
from deploy.stack.settings import OWN_PORTS, free_ports, shuffled
from tests.starter import Started, starter

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")


WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Tests that run at a time have ports of their own, so that none takes another's before it is listened on."""
PORTS = shuffled(OWN_PORTS[:10_000][WORKER % 8 :: 8])


PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of services, which speak plain HTTP here: reading the authorities takes a client 20 ms."""


def free_port() -> int:
    """A port that is free now."""
    (port,) = free_ports(1, PORTS)
    return port


async def until(condition: Callable[[], Awaitable[T]], within: float = 60.0, what: str = "") -> T:
    """The first true answer of `condition`; fails loudly when there is none in time."""
    deadline = time.monotonic() + within
    while True:
        answer = await condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what or condition}")
        await asyncio.sleep(0.05)


async def token(issuer: str, tenant: str = "acme", role: str = "owner", **more: Any) -> str:
    """A token of the development issuer."""
    async with httpx.AsyncClient(verify=PLAIN) as client:
        answer = await client.post(f"{issuer}/token", json={"tenant": tenant, "role": role, **more})
        answer.raise_for_status()
        return str(answer.json()["access_token"])


@dataclass
class Running:
    """One instance of a service as a process of its own."""

    name: str
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | Started | None = None
    python: str = sys.executable
    clients: dict[tuple[str, str], httpx.AsyncClient] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['MORTARBOARD_HTTP_PORT']}"

    @property
    def ops(self) -> str:
        return f"http://127.0.0.1:{self.environment['MORTARBOARD_OPS_PORT']}"

    def start(self) -> None:
        package, environment = BY_NAME[self.name].package, {**os.environ, **self.environment}
        if self.python == sys.executable and "PYTHONPATH" not in self.environment:
            self.process = starter(*(one.package for one in ALL)).start(package, environment, self.log)
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.python, "-P", "-m", package], env=environment, cwd=ROOT, stdout=log, stderr=log
            )

    async def ready(self, within: float = 60.0) -> None:
        async with httpx.AsyncClient(verify=PLAIN) as client:

            async def probe() -> bool:
                assert self.process is None or self.process.poll() is None, self.log.read_text()[-3000:]
                try:
                    return (await client.get(f"{self.ops}/readyz", timeout=5)).status_code == 200
                except httpx.HTTPError:
                    return False

            await until(probe, within, f"{self.name} ready")

    def send(self, number: int) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM, within: float = 40) -> int:
        """End it and return the exit status."""
        if self.process is None:
            return 0
        self.send(signal.SIGCONT)
        self.send(number)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    async def client(self, tenant: str = "acme", role: str = "owner") -> httpx.AsyncClient:
        if (tenant, role) not in self.clients:
            bearer = await token(self.environment["MORTARBOARD_ISSUER"], tenant, role)
            self.clients[tenant, role] = httpx.AsyncClient(
                base_url=self.url, headers={"Authorization": f"Bearer {bearer}"}, timeout=30, verify=PLAIN
            )
        return self.clients[tenant, role]


def instance(surroundings: Surroundings, name: str, logs: Path, slot: str = "1", **settings: str) -> Running:
    """An instance of a service, not started; `settings` are further MORTARBOARD_ variables."""
    environment = surroundings.environment(name, http_port=free_port(), ops_port=free_port(), instance=slot)
    environment |= {f"MORTARBOARD_{key.upper()}": value for key, value in settings.items()}
    return Running(name, environment, logs / f"{name}-{slot}.log")


@asynccontextmanager
async def service(
    surroundings: Surroundings, name: str, logs: Path, **settings: str
) -> AsyncIterator[Running]:
    """A running service; stopped gracefully at the end, and that must work."""
    running = instance(surroundings, name, logs, **settings)
    running.start()
    try:
        await running.ready()
        yield running
    finally:
        for client in running.clients.values():
            await client.aclose()
        status = running.stop()
    assert status == 0, running.log.read_text()[-3000:]


@asynccontextmanager
async def console_service(
    surroundings: Surroundings, logs: Path, addresses: Mapping[str, str]
) -> AsyncIterator[Running]:
    """A running console-svc over the services at these addresses; stopped gracefully at the end."""
    port = free_port()
    places = console_addresses(f"http://127.0.0.1:{port}", addresses.__getitem__)
    own = {name.removeprefix("MORTARBOARD_"): value for name, value in places.items()}
    async with service(surroundings, "console-svc", logs, http_port=str(port), **own) as running:
        yield running


@asynccontextmanager
async def publisher(surroundings: Surroundings) -> AsyncIterator[AIOKafkaProducer]:
    """A plain producer, as the chat backend would have."""
    producer = AIOKafkaProducer(
        **reached(surroundings.broker()), enable_idempotence=True, max_request_size=4_194_304
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def publish(
    producer: AIOKafkaProducer,
    surroundings: Surroundings,
    events: Iterable[Event],
    tenant: str = "acme",
    source: str = "/chat-backend",
    sequences: Iterable[int] = (),
    traceparent: str = "",
) -> None:
    """Publish events as another service would, in order."""
    numbers = iter(sequences)
    futures = []
    for event in events:
        headers = new_headers(event, tenant=tenant, source=source, traceparent=traceparent)
        headers["ce_sequence"] = str(next(numbers, 1))
        futures.append(
            await producer.send(
                surroundings.topic_prefix + event.TOPIC,
                event.body(),
                key=message_key(tenant, event.key()),
                headers=encode_headers(headers),
            )
        )
    await asyncio.gather(*futures)


async def records(surroundings: Surroundings, topic: str) -> list[ConsumerRecord]:
    """Everything that is in a topic now, by partition and offset."""
    consumer = AIOKafkaConsumer(
        surroundings.topic_prefix + topic,
        **reached(surroundings.broker()),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4_194_304,
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        found: list[ConsumerRecord] = []
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += batch
        return found
    finally:
        await consumer.stop()


async def bodies(surroundings: Surroundings, topic: str) -> list[dict[str, Any]]:
    """The JSON bodies in a topic now."""
    return [json.loads(record.value) for record in await records(surroundings, topic)]


async def caught_up(surroundings: Surroundings, topic: str, service: str) -> bool:
    """Whether a service has settled everything that is in a topic now."""
    prefix, where = surroundings.topic_prefix, reached(surroundings.broker())
    consumer = AIOKafkaConsumer(prefix + topic, **where)
    admin = AIOKafkaAdminClient(**where)
    await consumer.start()
    await admin.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        settled = await admin.list_consumer_group_offsets(f"{prefix}{service}.{topic}")
        return all(
            end == 0 or (place in settled and settled[place].offset >= end) for place, end in ends.items()
        )
    finally:
        await consumer.stop()
        await admin.close()


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)
