"""What a page costs beyond the services that it asks: `python -m tests.bench.console`.

The console's pages of dialogs (a list of 50 with its counts; one dialog beside it; the search as one types)
and of an agent, asked 300 times each, one after another. Beside each, in turn, the same services' calls that
the page makes, at the same time where the page makes them at the same time, over the same kind of client.
`beyond_ms` is the difference of the quantiles: session, calls again, templates, the way there and back.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from deploy.stack import assets
from deploy.stack.settings import from_environment
from tests.bench._stage import issuer_of, quantile, result, stage
from tests.browser.world import fill
from tests.e2e.world import Loop, loop_world
from tests.harness import console_service
from tests.integration.test_console_sign_in import enter

TIMES = 300
Call = tuple[str, str]
AGENTS = ("agent-svc", "/v1/agents?limit=200")
PAGES: dict[str, tuple[str, list[list[Call]]]] = {
    # page: its address, and the calls that it makes, those of one list at the same time
    "list": (
        "/dialogs",
        [[("dialog-svc", "/v1/dialogs?limit=50"), ("dialog-svc", "/v1/dialogs/counts"), AGENTS]],
    ),
    "dialog": (
        "/dialogs/late",
        [
            [("dialog-svc", "/v1/dialogs?limit=50"), ("dialog-svc", "/v1/dialogs/counts"), AGENTS],
            [("dialog-svc", "/v1/dialogs/late")],
        ],
    ),
    "search": (
        "/dialogs-found?q=bouquet+17",
        [
            [
                ("dialog-svc", "/v1/dialogs?limit=50&q=bouquet+17"),
                ("dialog-svc", "/v1/dialogs/counts?q=bouquet+17"),
                AGENTS,
            ]
        ],
    ),
    "agent": (
        "/agents/shop",
        [[("agent-svc", "/v1/agents/shop")], [("agent-svc", "/v1/agents/shop/versions?limit=20")]],
    ),
}


async def measure() -> None:
    """Measure all pages."""
    assets.build(from_environment())
    async with stage("console") as (_, surroundings):
        with tempfile.TemporaryDirectory(dir=surroundings.objects.parent) as name:
            folder = Path(name)
            async with (
                issuer_of(folder) as issuer,
                loop_world(replace(surroundings, issuer=issuer), folder) as loop,
            ):
                await fill(loop)
                result(**await _figures(loop, issuer))


async def _figures(loop: Loop, issuer: str) -> dict[str, Any]:
    addresses = {name: one.url for name, one in loop.services.items()}
    async with (
        console_service(loop.surroundings, loop.logs, addresses) as running,
        httpx.AsyncClient(base_url=running.url) as client,
    ):
        await enter(client, issuer, "olga")
        figures: dict[str, Any] = {}
        for name, (address, calls) in PAGES.items():
            pages, services = await _in_turn(client, loop, address, calls)
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
