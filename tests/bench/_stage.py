"""What the benchmarks share: servers and instances of their own, and the last line."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.stack.prepared import prepare
from deploy.stack.processes import Process, port_answers
from deploy.stack.servers import Servers
from deploy.stack.services import Surroundings
from deploy.stack.settings import ROOT, free_ports, from_environment
from deploy.stack.topics import create_topics

NO_ISSUER = "http://127.0.0.1:9"


@asynccontextmanager
async def stage(name: str, *, postgres: tuple[str, ...] = ()) -> AsyncIterator[tuple[Servers, Surroundings]]:
    """Servers of one's own with migrated tables and all topics; gone afterwards."""
    folder = from_environment().run / "bench" / f"{name}-{uuid4().hex[:6]}"
    try:
        async with Servers.on_free_ports(folder) as servers:
            prepared = await prepare(servers.bootstrap, servers.admin_url, NO_ISSUER, folder)
            if postgres:
                async with prepared.databases.connection() as connection:
                    for setting in postgres:
                        await connection.execute(f"ALTER SYSTEM SET {setting}")
                await servers.restart_postgres()
            await create_topics(servers.bootstrap, "", 6)
            (folder / "objects").mkdir()
            yield (
                servers,
                Surroundings(
                    kafka_bootstrap=servers.bootstrap,
                    databases=prepared.databases,
                    database=prepared.template,
                    objects=folder / "objects",
                    issuer=NO_ISSUER,
                    master_key=prepared.master_key,
                ),
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def issuer_of(folder: Path) -> AsyncIterator[str]:
    """A development issuer of one's own: its address."""
    (port,) = free_ports(1)
    module: list[str | Path] = [sys.executable, "-P", "-m", "deploy.issuer"]
    command = [*module, "--port", str(port), "--state", folder / "issuer"]
    environment = {**os.environ, "MORTARBOARD_DEV": "1"}
    process = Process("issuer", command, log=folder / "issuer.log", env=environment, cwd=ROOT)
    process.start()
    try:
        await process.ready(lambda: port_answers(port), 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        await process.stop(2)


@asynccontextmanager
async def producing(surroundings: Surroundings) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that batches."""
    producer = AIOKafkaProducer(
        bootstrap_servers=surroundings.kafka_bootstrap, linger_ms=5, max_batch_size=262_144
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def committed(surroundings: Surroundings, topic: str, group: str) -> int:
    """How many records of a topic a group has settled."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=surroundings.kafka_bootstrap, group_id=group, enable_auto_commit=False
    )
    await consumer.start()
    try:
        offsets = [await consumer.committed(TopicPartition(topic, number)) for number in range(6)]
        return sum(offset or 0 for offset in offsets)
    finally:
        await consumer.stop()


async def reaches(probe: Callable[[], Any], goal: int, within: float = 300) -> float:
    """The moment at which `probe` answers at least `goal`."""
    deadline = time.monotonic() + within
    while await probe() < goal:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not {goal} within {within} s")
        await asyncio.sleep(0.02)
    return time.monotonic()


def result(**figures: Any) -> None:
    """Print the last line."""
    print(json.dumps(figures))


def quantile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
