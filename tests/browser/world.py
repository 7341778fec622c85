"""The console over all services, with an agent and dialogs of two tenants; and a browser that looks at it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from contracts.chat import ChatMessage, DialogEnded, DialogRatedInChat, MessagePosted
from contracts.event import Event
from deploy.seed.browser import browser
from deploy.stack import assets
from deploy.stack.services import Surroundings
from deploy.stack.settings import from_environment
from tests.e2e.world import SECRET, Loop, loop_world
from tests.harness import Running, console_service, now, publish, publisher, until

HOSTILE = (
    "<img src=x onerror=alert(1)> \u202egnp.exe\u202c a\u200bb <script>alert(2)</script> " + "x" * 100_000
)
FUNCTION = {
    "type": "function",
    "function": {
        "name": "order_status",
        "description": "Where an order is",
        "parameters": {
            "type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"],
        },
    },
}  # fmt: skip
MODEL = "gpt-4o-mini-2024-07-18"
DIALOGS = 62
PROMPT = "You answer for a flower shop. Be brief and kind; never promise a day of delivery."


in_each_look = pytest.mark.parametrize(
    "options",
    [
        {"language": "ru"},
        {"language": "en", "color_scheme": "dark"},
        {"language": "ru", "viewport": {"width": 360, "height": 740}},
    ],
    ids=["russian", "english-dark", "phone"],
)
"""For tests that look at a page in both languages, light and dark, wide and narrow."""


@dataclass
class Console:
    """A running console, and what its browser complained of."""

    loop: Loop
    running: Running
    browser: Browser
    complaints: list[str] = field(default_factory=list)
    axe: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        return self.running.url

    @asynccontextmanager
    async def person(
        self, sub: str, language: str = "en", tenant: str = "", **more: Any
    ) -> AsyncIterator[tuple[Page, BrowserContext]]:
        """Somebody who has signed in, in a browser of their own; of a `tenant` named, by role."""
        options = {"locale": language, "viewport": {"width": 1280, "height": 800}} | more
        context = await self.browser.new_context(**options)
        context.set_default_timeout(30_000)
        try:
            page = await context.new_page()
            self.watch(page)
            await page.goto(self.url)
            await choose(page, sub, tenant)
            await page.wait_for_url(f"{self.url}/**")
            yield page, context
        except AssertionError as error:
            error.add_note(f"{page.url} says:\n{(await page.locator('body').inner_text())[:1500]}")
            raise
        finally:
            await context.close()

    def watch(self, page: Page) -> None:
        """Note every report of the content policy and every error of a script."""
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda said: (
                self.complaints.append(f"{page.url}: {said.text}")
                if "Content Security Policy" in said.text or "Refused to" in said.text
                else None
            ),
        )

    def failures(self) -> int:
        """How many errors of its own the console has logged."""
        log = self.running.log.read_text()
        return log.count("Exception in ASGI") + log.count('"page_failed"')

    async def violations(self, page: Page) -> list[str]:
        """What axe finds wrong with a page, as it is now."""
        found = await page.evaluate(f"async () => {{ {self.axe}; return await axe.run() }}")
        return [
            f"{one['id']}: {node['html'][:160]} {node.get('failureSummary', '')}"
            for one in found["violations"]
            for node in one["nodes"]
        ]


@asynccontextmanager
async def console_world(surroundings: Surroundings, folder: Path) -> AsyncIterator[Console]:
    """Everything running and filled."""
    modules = assets.build(from_environment())
    async with loop_world(surroundings, folder) as loop:
        addresses = {name: one.url for name, one in loop.services.items()}
        async with console_service(loop.surroundings, loop.logs, addresses) as running:
            await fill(loop)
            async with browser() as running_browser:
                axe = (modules / "axe-core" / "axe.min.js").read_text()
                yield Console(loop, running, running_browser, axe=axe)


async def fill(loop: Loop) -> None:
    """An agent with a function and a key, its dialogs, and a dialog of another tenant."""
    definition = {
        "name": "Flower shop", "prompt": PROMPT, "tools": [], "base_model": MODEL,
        "provider": "openai",
    }  # fmt: skip
    await loop.ok("agent-svc", "PUT", "/v1/agents/shop", json=definition)
    changed = definition | {"prompt": PROMPT.replace("brief", "short"), "tools": [FUNCTION]}
    await loop.ok("agent-svc", "PUT", "/v1/agents/shop", json=changed)
    await loop.ok("agent-svc", "PUT", "/v1/agents/shop/keys/openai", json={"key": SECRET})
    async with publisher(loop.surroundings) as producer:
        await publish(producer, loop.surroundings, dialogs())
        await publish(producer, loop.surroundings, spoken("theirs", ["Secret of Globex"]), tenant="globex")

    async def known() -> bool:
        listed = await loop.ok("dialog-svc", "GET", "/v1/dialogs/counts")
        rated = await loop.ok("dialog-svc", "GET", "/v1/dialogs/counts?rating=bad&q=tulips")
        theirs = await (await loop.call("dialog-svc", "GET", "/v1/dialogs/counts", "globex")).aread()
        sets = await loop.ok("dataset-svc", "GET", "/v1/datasets?agent_id=shop")
        counts = (listed["count"], rated["count"], json.loads(theirs)["count"])
        return counts == (DIALOGS, 1, 1) and bool(sets["items"] and sets["items"][0]["agent_version"])

    await until(known)


def dialogs() -> list[Event]:
    """More dialogs than a page of the list holds, and one of each kind that the reader must cope with."""
    events: list[Event] = []
    for number in range(DIALOGS - 2):
        events += spoken(
            f"order-{number:03}", [f"What does bouquet {number} cost?", f"It costs {number} euros."]
        )
    events += spoken("hostile", [HOSTILE, "I cannot read that."])
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "order_status", "arguments": '{"order": "A-17"}'},
    }
    events += [
        *spoken("late", ["Where are my tulips?"], ended=False),
        said("late", 2, "assistant", None, tool_calls=[call], model=MODEL),
        said("late", 3, "tool", json.dumps({"state": "on its way", "days": 2}), tool_call_id="c1"),
        said(
            "late",
            4,
            "assistant",
            "They are on their way and come in two days.",
            model=MODEL,
        ),
        DialogEnded(dialog_id="late", agent_id="shop", outcome="resolved", at=now()),
        DialogRatedInChat(dialog_id="late", agent_id="shop", rating="bad", by="client"),
    ]
    return events


def spoken(dialog: str, texts: Sequence[str], *, ended: bool = True) -> list[Event]:
    """A dialog in which client and model take turns."""
    events: list[Event] = [
        said(dialog, place, ("user", "assistant")[place % 2], text) for place, text in enumerate(texts)
    ]
    return [*events, DialogEnded(dialog_id=dialog, agent_id="shop", at=now())] if ended else events


def said(dialog: str, place: int, role: str, text: str | None, **more: Any) -> MessagePosted:
    at = now() - timedelta(minutes=10 - place)
    message = {"id": f"m{place}", "role": role, "content": text, "at": at, **more}
    return MessagePosted(
        dialog_id=dialog, agent_id="shop", message=ChatMessage.model_validate(message), source="live"
    )


async def choose(page: Page, who: str, tenant: str = "") -> None:
    """Say at the issuer who one is: somebody it knows, or a role in a tenant."""
    if tenant:
        await page.get_by_label("Tenant").fill(tenant)
        await page.get_by_label("Role").select_option(who)
        await page.get_by_role("button", name="Go on").click()
    else:
        await page.locator(f"button[value={who}]").click()


async def settled(page: Page) -> None:
    """Wait until no part of the page is on its way."""
    await page.wait_for_function("() => !document.querySelector('.htmx-request')")
    await asyncio.sleep(0)
