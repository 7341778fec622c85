"""The chassis' parts in this process, on real servers, under the name and schema of dialog-svc."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from chassis.consumer import Consumer, ConsumerLoop, Fold
from chassis.database import Database, Transaction
from chassis.dead_letters import DeadLetters
from chassis.envelope import AnyReceived
from chassis.health import Health
from chassis.objects import ObjectStore
from chassis.settings import Settings
from contracts.chat import DialogEnded, DialogRatedInChat, MessagePosted
from deploy.stack.services import Surroundings
from tests.harness import free_port

CHAT: frozenset[Any] = frozenset({MessagePosted, DialogEnded, DialogRatedInChat})


class KitSettings(Settings):
    service: ClassVar[str] = "dialog-svc"
    schema_name: ClassVar[str] = "dialog_svc"


@dataclass
class Kit:
    settings: KitSettings
    database: Database
    health: Health
    letters: DeadLetters

    @asynccontextmanager
    async def consuming(self, consumer: Consumer) -> AsyncIterator[asyncio.Task[None]]:
        """Run a consumer while the block runs, then stop it gracefully."""
        loop = ConsumerLoop(self.settings, self.database, self.health, self.letters, consumer)
        task = asyncio.create_task(loop.run())
        try:
            yield task
        finally:
            loop.stop()
            await asyncio.wait({task}, timeout=30)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def kit(surroundings: Surroundings, **changes: Any) -> AsyncIterator[Kit]:
    environment = surroundings.environment(
        "dialog-svc", http_port=free_port(), ops_port=free_port(), instance=""
    )
    values = {name.removeprefix("MORTARBOARD_").lower(): value for name, value in environment.items()}
    settings = KitSettings.model_validate(values | changes)
    database = Database(
        settings.database_url_now(),
        settings.database_http_url_now(),
        settings.schema_name,
        source="/mortarboard/dialog-svc",
    )
    letters = DeadLetters(settings, ObjectStore(settings.objects_url))
    await database.open()
    try:
        yield Kit(settings, database, Health(), letters)
    finally:
        await letters.close()
        await database.close()


def chat_consumer(fold: Fold) -> Consumer:
    """A consumer of chat.events in which every event goes through the inbox."""
    return Consumer("chat.events", CHAT, fold)


class Noting:
    """A fold that notes which events it was given, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    @property
    def taken(self) -> list[str]:
        return [one for batch in self.batches for one in batch]

    async def __call__(self, batch: Sequence[AnyReceived], transaction: Transaction) -> None:
        self.batches.append([label(one) for one in batch])


def label(received: AnyReceived) -> str:
    event = received.event
    return str(event.message.id) if isinstance(event, MessagePosted) else event.TYPE
