"""What is photographed: each page at its best, and the states that one seldom sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from playwright.async_api import Page

from deploy.seed.states import MAIN, Filled

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


async def press_questionmark(page: Page, _: Filled) -> None:
    """Show the list of keys."""
    await page.keyboard.press("?")
    await page.locator("#keys").wait_for()


async def open_first(page: Page, _: Filled) -> None:
    """Look at the first row of a list that may still be on its way."""
    await page.locator("[data-row]").first.wait_for()
    await page.keyboard.press("j")
    await page.locator(".look").wait_for()


SCENES = (
    Scene("start", lambda _: "/"),
    Scene("agents", lambda _: "/agents"),
    Scene("agent", lambda _: f"/agents/{MAIN}", height=1200),
    Scene("dialogs", lambda _: "/dialogs/seed-ru"),
    Scene("tuning", lambda _: f"/tuning/{MAIN}", open_first, height=1200),
    Scene("suggestions", lambda _: f"/tuning/{MAIN}?work=suggestions", open_first, height=1000),
    Scene("duplicates", lambda _: f"/tuning/{MAIN}?work=duplicates"),
    Scene("tuning-down", lambda _: f"/tuning/{MAIN}", at="lonely"),
    Scene("versions", lambda _: f"/versions/{MAIN}"),
    Scene("keys", lambda _: "/dialogs", press_questionmark),
    Scene("empty", lambda _: "/dialogs", sub="grace"),
    Scene("phone", lambda _: "/dialogs/seed-ru", width=360, height=740),
)
