"""Takes the pictures: each scene in both languages, light and dark, as WebP files."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Error, Page

from deploy.seed.scenes import Scene
from deploy.seed.states import Filled

LANGUAGES, SCHEMES = ("ru", "en"), ("light", "dark")
QUALITY = 75
Say = Callable[[str], None]


class NoPictureError(Exception):
    """A page did not come to look as its scene wants it; the text says which."""


class Photographer:
    """Signs in once for each person, language and scheme, and goes from scene to scene."""

    def __init__(self, browser: Browser, urls: dict[str, str], filled: Filled, into: Path) -> None:
        self._browser, self._urls, self._filled, self._into = browser, urls, filled, into
        self._pages: dict[tuple[str, ...], Page] = {}

    async def take(self, scenes: Sequence[Scene], say: Say) -> None:
        """Take all pictures."""
        self._into.mkdir(parents=True, exist_ok=True)
        for scene in scenes:
            for language, scheme in product(LANGUAGES, SCHEMES):
                page = await self._page(scene, language, scheme)
                try:
                    await self._show(page, scene)
                except Error as error:
                    (self._into / "failed.webp").write_bytes(await _picture(page))
                    raise NoPictureError(f"{scene.name}, {language}, {scheme}: {error.message}") from None
                name = f"{scene.name}.{language}.{scheme}.webp"
                (self._into / name).write_bytes(await _picture(page))
            say(scene.name)
        for page in self._pages.values():
            await page.context.close()

    async def _page(self, scene: Scene, language: str, scheme: str) -> Page:
        who = (scene.at, scene.sub, language, scheme)
        if who not in self._pages:
            context: BrowserContext = await self._browser.new_context(
                locale=language, color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce"
            )
            context.set_default_timeout(15_000)
            page = await context.new_page()
            await page.goto(self._urls[scene.at])
            await page.locator(f"button[value={scene.sub}]").click()
            await page.wait_for_url(f"{self._urls[scene.at]}/**")
            self._pages[who] = page
        return self._pages[who]

    async def _show(self, page: Page, scene: Scene) -> None:
        await page.set_viewport_size({"width": scene.width, "height": scene.height})
        await page.goto(self._urls[scene.at] + scene.address(self._filled))
        await _settled(page)
        if scene.act:
            await scene.act(page, self._filled)
            await _settled(page)


async def _settled(page: Page) -> None:
    """Wait until no part of the page is on its way."""
    await page.wait_for_function("() => !document.querySelector('.htmx-request')")


async def _picture(page: Page) -> bytes:
    session = await page.context.new_cdp_session(page)
    taken = await session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    await session.detach()
    return base64.b64decode(taken["data"])
