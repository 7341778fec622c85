"""From a press to what one sees of it, in a real browser: `python -m tests.bench.presses`.

In the page, from the click to the first frame after the answer stands there: a dialog marked good and bad, a
chip of the list, SAVE and its Undo. Over the local stack, one person, 60 times each.
"""

from __future__ import annotations

import asyncio

from playwright.async_api import Page

from deploy.seed.browser import browser
from tests.bench._console import full_console
from tests.bench._stage import quantile, result
from tests.browser.world import choose, settled

TIMES, WARM = 60, 5
PRESS = """([press, met]) => new Promise((done) => {
    const began = performance.now();
    const look = () => {
        if (!document.querySelector(met)) return;
        watch.disconnect();
        requestAnimationFrame(() => done(performance.now() - began));
    };
    const watch = new MutationObserver(look);
    watch.observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
    document.querySelector(press).click();
})"""
FEW, MANY = "#chip-has_functions-true:checked", "#chip-has_functions-true:not(:checked)"
PRESSES = {
    # what: the page, what is pressed in turn, and what is there then
    "mark": (
        "/dialogs/late",
        [(f"#mark-{one}", f"#mark-{one}[aria-pressed=true]") for one in ("good", "bad")],
    ),
    "chip": (
        "/dialogs",
        [
            ("#chip-has_functions-true", f"body:has({FEW}):not(:has(#row-order-059))"),
            ("#chip-has_functions-true", f"body:has({MANY}):has(#row-order-059)"),
        ],
    ),
    "save": ("/dialogs/order-059", [("#cap-save", "#cap-undo"), ("#cap-undo", "#cap-save")]),
}


async def measure() -> None:
    """Measure every press."""
    async with full_console("presses") as (_, running, _), browser() as running_browser:
        page = await running_browser.new_page()
        await page.goto(running.url)
        await choose(page, "olga")
        figures: dict[str, float] = {}
        for name, (path, presses) in PRESSES.items():
            await page.goto(running.url + path)
            await settled(page)
            if name == "save":
                await page.locator("#cap-take").click()
                await page.locator("#cap-save").wait_for()
            taken = await _pressed(page, presses)
            for share in (50, 95):
                figures[f"{name}_p{share}_ms"] = round(quantile(taken, share / 100), 1)
        result(**figures)


async def _pressed(page: Page, presses: list[tuple[str, str]]) -> list[float]:
    taken: list[float] = []
    for number in range(TIMES + WARM):
        milliseconds: float = await page.evaluate(PRESS, list(presses[number % len(presses)]))
        await settled(page)
        if number >= WARM:
            taken.append(milliseconds)
    return taken


def main() -> None:
    """Measure."""
    asyncio.run(measure())


if __name__ == "__main__":
    main()
