"""Dialogs for the search benchmark: written as intake leaves them, listed by the service's own worker."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from chassis.database import Database
from deploy.stack.services import Surroundings
from dialog_svc.usecases.index_dialogs import BATCH, index_dialogs

TENANT = "acme"
LENGTH = 10
"""Messages a dialog."""
WORDS = 20_000
"""Different words; the lower the number, the more frequent."""
END = datetime.now(UTC)
DIALOG = (
    "tenant_id", "dialog_id", "agent_id", "source", "channel", "started_at", "last_at", "ended_at", "outcome",
    "rating", "message_count", "next_position", "leaf_id", "partition", "heard_at", "shelf",
)  # fmt: skip
MESSAGE = ("tenant_id", "dialog_id", "message_id", "position", "parent_id", "role", "message", "shelf")


def word(number: int) -> str:
    """A word that the stemmer leaves as it is."""
    return "".join("бгджзклмнр"[int(digit)] + "ае"[int(digit) % 2] for digit in f"{number:05}") + "к"


@asynccontextmanager
async def database_of(surroundings: Surroundings) -> AsyncIterator[Database]:
    """The service's own pools, open."""
    urls = surroundings.environment("dialog-svc", http_port=0, ops_port=0)
    database = Database(
        urls["MORTARBOARD_DATABASE_URL"], urls["MORTARBOARD_DATABASE_HTTP_URL"], "dialog_svc", source="/bench"
    )
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def fill(surroundings: Surroundings, dialogs: int) -> None:
    """Write the dialogs and their messages."""
    async with surroundings.databases.connection(surroundings.database) as admin:
        await admin.execute("SET search_path = dialog_svc, public")
        shelf = await admin.fetchval("SELECT max(shelf) FROM shelves WHERE kept = 365 AND month <= now()")
        await admin.copy_records_to_table("dialogs", records=_dialogs(dialogs, shelf), columns=DIALOG)
        await admin.copy_records_to_table("messages", records=_messages(dialogs, shelf), columns=MESSAGE)
        await admin.execute("ANALYZE dialogs, messages")


async def list_all(surroundings: Surroundings) -> float:
    """Let the worker list and index everything; returns dialogs a second."""
    began, turns, more = time.monotonic(), 0, True
    async with database_of(surroundings) as database:
        while more:
            async with database.transaction() as transaction:
                more = await index_dialogs(transaction.connection)
            turns += 1
    async with surroundings.databases.connection(surroundings.database) as admin:
        await admin.execute("SET search_path = dialog_svc, public")
        await admin.execute("VACUUM ANALYZE dialogs, listings, search_documents, vocabulary")
    return turns * BATCH / (time.monotonic() - began)


def _dialogs(count: int, shelf: int) -> Iterator[tuple[Any, ...]]:
    for number in range(count):
        at = END - timedelta(minutes=number)
        rating = "bad" if number % 50 == 0 else "good" if number % 7 == 0 else None
        yield (
            TENANT, f"d{number}", f"agent{number % 3}", "live", ("web", "telegram")[number % 2], at, at, at,
            "sold" if number % 10 == 0 else None, rating, LENGTH, LENGTH, f"m{LENGTH - 1}", 0, at, shelf,
        )  # fmt: skip


def _messages(count: int, shelf: int) -> Iterator[tuple[Any, ...]]:
    dice = random.Random(1)
    for dialog in range(count):
        at = (END - timedelta(minutes=dialog)).isoformat()
        phone = f"+7 912 {dice.randrange(10**7):07}"
        for place in range(LENGTH):
            role = "assistant" if place % 2 else "user"
            said = [word(int(dice.random() ** 3 * WORDS)) for _ in range(8)]
            body = {"id": f"m{place}", "role": role, "content": " ".join((phone, *said)), "at": at}
            if place % 2:
                body["model"] = f"gpt-{dialog % 4}"
            yield (
                TENANT, f"d{dialog}", f"m{place}", place, f"m{place - 1}" if place else None, role,
                orjson.dumps(body).decode(), shelf,
            )  # fmt: skip
