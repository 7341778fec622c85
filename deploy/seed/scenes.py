"""What is photographed: each page at its best, and the states that one seldom sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Locator, Page

from deploy.seed.states import HINTED, MAIN, NARROW, OPEN, POOR, SLOW, Filled

ANSWER, WORDS = "[data-message]:has(> .message.assistant)", ":scope > .message > form textarea"
"""In the editor: an answer, and where its words are typed."""
THEIRS = ("Yes, we photograph each bouquet.", "Yes, a photo is taken of each bouquet.")
"""What somebody else writes meanwhile: each time other words, or nothing would change."""
Address = Callable[[Filled], str]
Act = Callable[[Page, Filled], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scene:
    """A page, by the name of its picture; `act` is what is done there before the picture is taken."""

    name: str
    address: Address
    act: Act | None = None
    sub: str = "olga"
    width: int = 1280
    height: int = 800
    at: str = "console"
    """Which console: `console`, or `lonely`, whose training-svc gives no answer."""


def example(dialog: str) -> Address:
    """The editor of a dialog's example."""
    return lambda filled: f"/examples/{filled.examples[dialog]}"


def press(key: str, then: str) -> Act:
    """Press a key, and wait for what appears."""

    async def act(page: Page, _: Filled) -> None:
        await page.keyboard.press(key)
        await page.locator(then).first.wait_for()

    return act


async def open_first(page: Page, _: Filled) -> None:
    """Look at the first row of a list that may still be on its way."""
    await page.locator("[data-row]").first.wait_for()
    await page.keyboard.press("j")
    await page.locator(".look").wait_for()


async def meet_another_editor(page: Page, _: Filled) -> None:
    """Change what somebody changed meanwhile."""
    answer = page.locator(ANSWER).first
    other = await page.context.new_page()
    await other.goto(page.url)
    await answer.locator(".view").click()
    there = await answer.locator(".view").inner_text()
    await _write(other.locator(ANSWER).first, next(words for words in THEIRS if words not in there))
    await other.close()
    await answer.locator(WORDS).fill("Yes: you get a photo before the courier leaves.")
    await page.keyboard.press("Control+Enter")
    await answer.locator(".refused").wait_for()


async def _write(message: Locator, text: str) -> None:
    await message.locator(".view").click()
    await message.locator(WORDS).fill(text)
    await message.page.keyboard.press("Control+Enter")
    await message.locator(".view", has_text=text).wait_for()


SCENES = (
    Scene("agents", lambda _: "/agents"),
    Scene("agent", lambda _: f"/agents/{MAIN}", height=1200),
    Scene("dialogs", lambda _: "/dialogs/seed-ru"),
    Scene("editor-findings", example("seed-personal"), height=1000),
    Scene("editor-hint", example(HINTED), press("s", ".refused")),
    Scene("editor-two-people", example(OPEN), meet_another_editor),
    Scene("editor", example("demo-01"), press("o", "#beside[aria-pressed=true]"), height=1000),
    Scene("chat", lambda filled: f"/chats/{MAIN}/{filled.chat}"),
    Scene("tuning", lambda _: f"/tuning/{MAIN}", open_first, height=1200),
    Scene("suggestions", lambda _: f"/tuning/{MAIN}?work=suggestions", open_first, height=1000),
    Scene("duplicates", lambda _: f"/tuning/{MAIN}?work=duplicates"),
    Scene("tuning-down", lambda _: f"/tuning/{MAIN}", at="lonely"),
    Scene("start", lambda _: "/"),
    Scene("models", lambda _: f"/models/{MAIN}", height=1000),
    Scene("run-training", lambda filled: f"/models/{SLOW}/runs/{filled.runs['training']}", height=1000),
    Scene("run-ready", lambda filled: f"/models/{MAIN}/runs/{filled.runs['ready']}", height=1200),
    Scene("run-failed", lambda filled: f"/models/{POOR}/runs/{filled.runs[POOR]}"),
    Scene("run-unknown", lambda filled: f"/models/{NARROW}/runs/{filled.runs[NARROW]}"),
    Scene("compare", lambda filled: f"/models/{MAIN}/compare?a={filled.models[0]}&b={filled.models[1]}"),
    Scene("lineage", lambda filled: f"/lineage/run/{filled.runs['ready']}"),
    Scene("versions", lambda _: f"/versions/{MAIN}"),
    Scene("activity", lambda _: "/activity"),
    Scene("keys", lambda _: "/dialogs", press("?", "#keys")),
    Scene("empty", lambda _: "/dialogs", sub="grace"),
    Scene("phone-dialogs", lambda _: "/dialogs/seed-ru", width=360, height=740),
    Scene("phone-editor", example("demo-01"), width=360, height=740),
    Scene("phone-models", lambda _: f"/models/{MAIN}", width=360, height=740),
)
