"""Secure servers for one test alone, with everything that services need."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx

from contracts.chat import ChatMessage, DialogEnded, MessagePosted
from contracts.event import Event
from deploy.stack.prepared import prepare
from deploy.stack.servers import Servers
from deploy.stack.services import Surroundings
from deploy.stack.topics import create_topics
from tests.harness import PORTS, Running, bodies, now, publish, publisher, until


@asynccontextmanager
async def secure_world(
    issuer: str, folder: Path, kafka_settings: Mapping[str, str] = MappingProxyType({})
) -> AsyncIterator[tuple[Servers, Surroundings]]:
    """Servers of one's own, and what services are set up with."""
    objects = folder / "objects"
    objects.mkdir()
    async with Servers.on_free_ports(
        folder / "own", secure=True, ports=PORTS, kafka_settings=kafka_settings
    ) as servers:
        prepared = await prepare(servers.bootstrap, servers.admin_url, issuer, folder / "own", servers.secure)
        await create_topics(servers.broker, "", 1)
        here = Surroundings(
            kafka_bootstrap=servers.bootstrap,
            databases=prepared.databases,
            database=prepared.template,
            objects=objects,
            issuer=issuer,
            master_key=prepared.master_key,
            secure=servers.secure,
        )
        here.keep_addresses()
        yield servers, here


def dialog(number: int) -> list[Event]:
    """A dialog of one message."""
    message = ChatMessage(id="m1", role="user", content="hello", at=now())
    return [
        MessagePosted(dialog_id=f"d{number}", agent_id="shop", message=message, source="live"),
        DialogEnded(dialog_id=f"d{number}", agent_id="shop", at=now()),
    ]


async def goes_on(surroundings: Surroundings, number: int) -> None:
    """A dialog that is published now comes out completed: Kafka both ways, and the database between."""
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, dialog(number))

    async def completed() -> bool:
        found = await bodies(surroundings, "dialog.completed")
        return f"d{number}" in {one["dialog_id"] for one in found}

    await until(completed, what=f"d{number} completed")


async def readiness(running: Running) -> tuple[int, dict[str, Any]]:
    """What /readyz answers."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{running.ops}/readyz", timeout=10)
        return answer.status_code, answer.json()
