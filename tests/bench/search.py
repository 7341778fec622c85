"""Pages of 100,000 dialogs (1,000,000 messages) as the HTTP role under row-level security, against bare SQL.

Each kind of page is asked for many times, in turn with the plain statements a superuser would write for it,
in a transaction too. Then intake: in rounds, with those tables and with empty ones.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import asyncpg

from chassis.database import Database
from chassis.envelope import encode_headers, new_headers
from contracts.chat import ChatMessage, MessagePosted
from contracts.topics import message_key
from deploy.stack.services import Surroundings
from dialog_svc.usecases.find_dialogs import Search, page_of_dialogs
from tests.bench._dialogs import TENANT, WORDS, database_of, fill, list_all, word
from tests.bench._stage import committed, producing, quantile, reaches, result, stage
from tests.harness import ROOT, free_port, now

PAGE = "SELECT * FROM listings WHERE tenant_id = $1"
FOUND = (
    "SELECT l.* FROM listings l JOIN search_documents d USING (tenant_id, dialog_id, shelf) "
    "WHERE l.tenant_id = $1 AND d.tenant_id = $1 AND d.words @@ $2::text::tsquery"
)
NEWEST = " ORDER BY last_at DESC, dialog_id DESC LIMIT 51"
KNOWN = "SELECT word FROM vocabulary WHERE tenant_id = $1 AND word = $2"
CONTAINING = (
    "SELECT DISTINCT word FROM vocabulary "
    "WHERE tenant_id = $1 AND word LIKE '%' || $2 || '%' AND NOT starts_with(word, $2) LIMIT 100"
)
GROUP = "dialog-svc.chat.events"
WARM = 5


@dataclass(frozen=True)
class Kind:
    """One kind of page: as the service is asked, and in plain SQL; `of_words` looks up what is typed."""

    filters: dict[str, Any]
    words: str | None
    sort: str
    plain: str
    arguments: tuple[Any, ...] = ()
    of_words: str = KNOWN


def kinds(dice: random.Random) -> dict[str, Kind]:
    """The pages of one round, with values of their own."""
    agent, model = f"agent{dice.randrange(3)}", f"gpt-{dice.randrange(4)}"
    rare, common = word(dice.randrange(WORDS * 3 // 4, WORDS)), word(dice.randrange(10))
    return {
        "list": Kind({"agent_id": agent}, None, "newest", f"{PAGE} AND agent_id = $2{NEWEST}", (agent,)),
        "longest": Kind({}, None, "longest", f"{PAGE} ORDER BY message_count DESC, dialog_id DESC LIMIT 51"),
        "filter": Kind(
            {"agent_id": agent, "rating": "bad", "outcome": "sold", "model": model}, None, "newest",
            f"{PAGE} AND agent_id = $2 AND rating = 'bad' AND outcome = 'sold' AND models @> ARRAY[$3]"
            + NEWEST,
            (agent, model),
        ),
        "rare word": Kind({}, rare, "newest", FOUND + NEWEST, (f"'{rare}'",)),
        "two words": Kind(
            {"agent_id": agent}, f"{common} {rare}", "newest",
            f"{FOUND} AND agent_id = $3{NEWEST}", (f"'{common}' & '{rare}'", agent),
        ),
        "common word": Kind({}, common, "newest", FOUND + NEWEST, (f"'{common}'",)),
        "number": Kind({}, f"{dice.randrange(10**6):06}", "newest", FOUND + NEWEST, (), CONTAINING),
    }  # fmt: skip


async def _ask(database: Database, kind: Kind) -> list[str]:
    async with database.tenant_transaction(TENANT) as transaction:
        search = Search(kind.filters, kind.words)
        rows = await page_of_dialogs(transaction.connection, search, kind.sort, None, 51)
    return [row["dialog_id"] for row in rows]


async def _ask_plainly(admin: asyncpg.Connection, kind: Kind) -> list[str]:
    arguments = kind.arguments
    async with admin.transaction():
        for typed in (kind.words or "").split():
            known = [row["word"] for row in await admin.fetch(kind.of_words, TENANT, typed)]
            if kind.of_words == CONTAINING:
                arguments = (" | ".join((f"'{typed}':*", *(f"'{one}'" for one in known))),)
        return [row["dialog_id"] for row in await admin.fetch(kind.plain, TENANT, *arguments)]


async def _timed(ask: Callable[[], Awaitable[list[str]]]) -> tuple[float, list[str]]:
    began = time.perf_counter()
    rows = await ask()
    return (time.perf_counter() - began) * 1000, rows


async def _pages(surroundings: Surroundings, rounds: int) -> dict[str, dict[str, float]]:
    """p99 in ms of each kind of page on both sides, and their ratio."""
    dice, ours, bare = random.Random(7), dict[str, list[float]](), dict[str, list[float]]()
    async with (
        database_of(surroundings) as database,
        surroundings.databases.connection(surroundings.database) as admin,
    ):
        await admin.execute("SET search_path = dialog_svc, public")
        for number in range(rounds + WARM):
            pages = list(kinds(dice).items())
            dice.shuffle(pages)  # a page must not always pay for what the same one before it left behind
            for name, kind in pages:
                mine, rows = await _timed(lambda kind=kind: _ask(database, kind))  # type: ignore[misc]
                plain, same = await _timed(lambda kind=kind: _ask_plainly(admin, kind))  # type: ignore[misc]
                assert rows == same, f"{name}: {len(rows)} and {len(same)} dialogs"
                if number >= WARM:
                    ours.setdefault(name, []).append(mine)
                    bare.setdefault(name, []).append(plain)
    return {name: _figures(ours[name], bare[name]) for name in ours}


def _figures(ours: list[float], bare: list[float]) -> dict[str, float]:
    mine, plain = quantile(ours, 0.99), quantile(bare, 0.99)
    return {"p99_ms": round(mine, 2), "bare_p99_ms": round(plain, 2), "ratio": round(mine / plain, 2)}


async def _publish(surroundings: Surroundings, messages: int, prefix: str) -> None:
    async with producing(surroundings) as producer:
        for number in range(messages):
            dialog = f"{prefix}-{number % 2000}"
            message = ChatMessage(id=f"m{number}", role="user", content="Where is my order? " * 10, at=now())
            event = MessagePosted(dialog_id=dialog, agent_id="shop", message=message, source="live")
            await producer.send(
                "chat.events", event.body(), key=message_key(TENANT, dialog),
                headers=encode_headers(new_headers(event, tenant=TENANT, source="/chat")),
            )  # fmt: skip


async def _intake(surroundings: Surroundings, messages: int, prefix: str) -> float:
    """Messages a second from a tenth of them to all, by the offsets that dialog-svc commits."""

    async def settled() -> int:
        return await committed(surroundings, "chat.events", GROUP) - before

    before = await committed(surroundings, "chat.events", GROUP)
    await _publish(surroundings, messages, prefix)
    environment = surroundings.environment("dialog-svc", http_port=free_port(), ops_port=free_port())
    environment |= {"MORTARBOARD_PARTS": "consumers", "MORTARBOARD_LOG_LEVEL": "warning"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "dialog_svc", env={**os.environ, **environment}, cwd=ROOT
    )
    try:
        began = await reaches(settled, messages // 10)
        first = await settled()
        return (messages - first) / (await reaches(settled, messages) - began)
    finally:
        process.terminate()
        await process.wait()


async def _measure(dialogs: int, rounds: int, messages: int, intakes: int) -> dict[str, Any]:
    async with stage("search") as (_, full):
        await full.databases.create("empty", full.database)
        empty = replace(full, database="empty")
        await fill(full, dialogs)
        print(f"{dialogs} dialogs; listed {await list_all(full):,.0f} a second", flush=True)
        pages = await _pages(full, rounds)
        for name, figures in pages.items():
            print(f"{name:12} {figures}", flush=True)
        rates: dict[str, list[float]] = {"full": [], "empty": []}
        for number in range(intakes):
            for name, where in (("empty", empty), ("full", full)):
                rates[name].append(await _intake(where, messages, f"{name}{number}"))
                print(f"intake {number + 1}: {name:6} {rates[name][-1]:10,.0f} messages/s", flush=True)
            async with full.databases.connection("empty") as admin:
                await admin.execute("TRUNCATE dialog_svc.messages, dialog_svc.dialogs CASCADE")
    ratio = quantile(rates["full"], 0.5) / quantile(rates["empty"], 0.5)
    worst = max(figures["ratio"] for figures in pages.values())
    return {"worst_p99_ratio": worst, "intake_ratio": round(ratio, 2), "pages": pages}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench search", description=__doc__)
    parser.add_argument("--dialogs", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--messages", type=int, default=60_000)
    parser.add_argument("--intakes", type=int, default=3)
    asked = parser.parse_args()
    result(**asyncio.run(_measure(asked.dialogs, asked.rounds, asked.messages, asked.intakes)))


if __name__ == "__main__":
    main()
