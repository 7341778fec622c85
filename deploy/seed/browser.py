"""The browser that looks at the pages: a Chromium of this machine, or the one that Playwright fetches."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Playwright, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


class NoBrowserError(Exception):
    """There is no Chromium on this machine."""

    def __init__(self) -> None:
        super().__init__("there is no browser here: apt-get install chromium, or playwright install chromium")


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A running browser without a window; raises NoBrowserError."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=_found(playwright))
        try:
            yield running
        finally:
            await running.close()


def _found(playwright: Playwright) -> str:
    fetched = playwright.chromium.executable_path
    found = next(filter(None, map(shutil.which, NAMES)), fetched if Path(fetched).exists() else None)
    if found is None:
        raise NoBrowserError
    return found
