"""What a page costs beyond the services that it asks: `python -m tests.bench.console`.

The console's pages (a list of 50 dialogs with its counts; one dialog beside it; the search as one types; an
agent, the editor, test chats, fine-tuning, models, versions), asked 300 times each, one after another. Beside
each, in turn, the same services' calls that the page makes, at the same time where the page makes them at the
same time, over the same kind of client. `beyond_ms` is the difference of the quantiles: session, calls again,
templates, the way there and back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.bench._console import full_console
from tests.bench._stage import quantile, result
from tests.e2e.world import Loop
from tests.harness import Running
from tests.integration.test_console_sign_in import enter

TIMES = 300
Call = tuple[str, str]
AGENTS = ("agent-svc", "/v1/agents?limit=200")
SHOP = ("agent-svc", "/v1/agents/shop")
ROUTE = ("agent-svc", "/v1/agents/shop/route")
DATASET = ("dataset-svc", "/v1/datasets?agent_id=shop&limit=1")
SUMMARY = ("dataset-svc", "/v1/datasets/{dataset}/summary")
CHATS = ("agent-svc", "/v1/agents/shop/test-dialogs?limit=50")
LIST = [("dialog-svc", "/v1/dialogs?limit=50"), ("dialog-svc", "/v1/dialogs/counts"), AGENTS]
SEARCH = [("dialog-svc", f"/v1/dialogs{path}q=bouquet+17") for path in ("?limit=50&", "/counts?")]
PAGES: dict[str, tuple[str, list[list[Call]]]] = {
    # page: its address, and the calls that it makes, those of one list at the same time
    "list": ("/dialogs", [LIST]),
    "dialog": ("/dialogs/late", [LIST, [("dialog-svc", "/v1/dialogs/late")]]),
    "search": ("/dialogs-found?q=bouquet+17", [[*SEARCH, AGENTS]]),
    "agent": ("/agents/shop", [[SHOP], [("agent-svc", "/v1/agents/shop/versions?limit=20")]]),
    "editor": (
        "/examples/{example}",
        [
            [("dataset-svc", "/v1/examples/{example}?original=true")],
            [("dataset-svc", "/v1/datasets/{dataset}/checks?example_id={example}&limit=1")],
        ],
    ),
    "chats": ("/chats/shop", [[SHOP, CHATS], [("training-svc", "/v1/models?agent_id=shop&limit=100")]]),
    "chat": (
        "/chats/shop/{test_dialog}",
        [[("agent-svc", "/v1/test-dialogs/{test_dialog}")], [SHOP, CHATS]],
    ),
    "tuning": (
        "/tuning/shop",
        [
            [SHOP, DATASET],
            [
                ("dataset-svc", "/v1/datasets/{dataset}/checks?limit=1"),
                ("dataset-svc", "/v1/datasets/{dataset}/examples?limit=50"),
                SUMMARY,
            ],
            [SUMMARY, ("dataset-svc", "/v1/datasets/{dataset}/suggestions?limit=1")],
        ],
    ),
    "models": (
        "/models/shop",
        [
            [SHOP],
            [
                ROUTE,
                ("agent-svc", "/v1/agents/shop/drift"),
                ("agent-svc", "/v1/agents/shop/route/history?limit=20"),
                ("training-svc", "/v1/runs?agent_id=shop&limit=20"),
                ("training-svc", "/v1/models?agent_id=shop&limit=200"),
                ROUTE,
            ],
        ],
    ),
    "versions": (
        "/versions/shop",
        [[SHOP, DATASET], [("dataset-svc", "/v1/datasets/{dataset}/versions?limit=50")]],
    ),
}


async def measure() -> None:
    """Measure all pages."""
    async with full_console("console") as (loop, running, issuer):
        result(**await _figures(loop, running, issuer))


async def _figures(loop: Loop, running: Running, issuer: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=running.url) as client:
        await enter(client, issuer, "olga")
        figures: dict[str, Any] = {}
        for name, (address, calls) in PAGES.items():
            asked = [[(one, path.format(**loop.ids)) for one, path in together] for together in calls]
            pages, services = await _in_turn(client, loop, address.format(**loop.ids), asked)
            for share in (50, 95):
                page, service = (quantile(each, share / 100) * 1000 for each in (pages, services))
                figures[f"{name}_p{share}"] = {
                    "page_ms": round(page, 1), "services_ms": round(service, 1),
                    "beyond_ms": round(page - service, 1),
                }  # fmt: skip
        return figures


async def _in_turn(
    client: httpx.AsyncClient, loop: Loop, address: str, calls: list[list[Call]]
) -> tuple[list[float], list[float]]:
    async def page() -> None:
        (await client.get(address)).raise_for_status()

    async def services() -> None:
        for together in calls:
            answers = await asyncio.gather(*(loop.call(name, "GET", path) for name, path in together))
            assert all(answer.is_success for answer in answers)

    pages: list[float] = []
    others: list[float] = []
    for number in range(TIMES + 20):
        for act, into in ((page, pages), (services, others)):
            taken = await _timed(act)
            if number >= 20:  # the first ones warm up
                into.append(taken)
    return pages, others


async def _timed(act: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await act()
    return time.perf_counter() - began


def main() -> None:
    """Measure."""
    asyncio.run(measure())


if __name__ == "__main__":
    main()
