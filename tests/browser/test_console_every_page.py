"""Every page: worked by keyboard only, and light on the first visit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.spoken import strangers
from tests.browser.tuning_dialogs import take_dialog
from tests.browser.tuning_world import Garden, garden, talks
from tests.browser.world import Console, settled
from tests.harness import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
NAME, SECRET = "pansies", "sk-pansies-000000000001"
TO_REACH = (
    "a[href], button:not([disabled]), select, textarea, summary, input:not([type=hidden], [type=radio])"
)
FOCUSED = """() => {
    const one = document.activeElement;
    if (!one || one === document.body || one === document.documentElement) return null;
    const ringed = (place) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(place);
        return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
    };
    return {
        place: [...document.querySelectorAll("*")].indexOf(one),
        what: one.outerHTML.slice(0, 120),
        ring: ringed(one) || Boolean(one.closest("label") && ringed(one.closest("label"))),
        seen: one.checkVisibility() && one.getBoundingClientRect().width > 0,
    };
}"""
ALL = f"""() => [...document.querySelectorAll("{TO_REACH}")]
    .filter((one) => one.checkVisibility({{visibilityProperty: true}}) && one.tabIndex >= 0)
    .map((one) => [...document.querySelectorAll("*")].indexOf(one))"""

OUT_OF_REACH = """() => [...document.querySelectorAll("button, a, input, select, textarea, summary")]
    .filter((one) => one.checkVisibility({visibilityProperty: true}))
    .filter((one) => !one.closest(".skip, .skip-to, dialog"))
    .filter((one) => {
        one.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
        const {left, top, right, bottom} = one.getClientRects()[0] ?? one.getBoundingClientRect();
        const [x, y] = [(left + right) / 2, (Math.max(top, 0) + Math.min(bottom, innerHeight)) / 2];
        const there = document.elementFromPoint(x, y);
        const inSight = one.contains(there) || one.closest("label")?.contains(there);
        return !inSight || left < -1 || right > innerWidth + 1;
    })
    .map((one) => one.outerHTML.slice(0, 160))"""
"""What stays beside the page, or under something else, when one scrolls to it."""


@dataclass(frozen=True, slots=True)
class Pages:
    """A garden with something on every page."""

    here: Garden
    run: str
    paths: tuple[str, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def pages(console: Console) -> Pages:
    """A run that is ready, a test chat, an example."""
    here = await garden(console, NAME, secret=SECRET)
    await here.bring_in(*talks(11))
    await take_dialog(here, "pansies-told", "Which pansies stand the winter in an open box?")
    version = (await here.data("POST", "/versions", json={}))["version"]
    asked = await here.data("POST", f"/versions/{version}/train", json={"confirm_warnings": True})
    run = str(asked["run_id"])

    async def ready() -> Any:
        answer = await console.loop.call("training-svc", "GET", f"/v1/runs/{run}", NAME)
        return answer.is_success and answer.json()["status"] == "ready"

    await until(ready)
    chat = await here.ok("agent-svc", "POST", f"/v1/agents/{NAME}/test-dialogs", json={})
    example = (await here.examples())[0]["id"]
    paths = (
        "/", "/activity", "/agents", f"/agents/{NAME}", "/dialogs", "/dialogs/pansies-told",
        f"/examples/{example}", f"/chats/{NAME}", f"/chats/{NAME}/{chat['dialog_id']}", f"/tuning/{NAME}",
        f"/models/{NAME}", f"/models/{NAME}/runs/{run}", f"/lineage/run/{run}", f"/versions/{NAME}",
        f"/versions/{NAME}/1", f"/tuning/{NAME}?work=suggestions", f"/tuning/{NAME}?work=duplicates",
        "/models?choose=1", "/lineage/dialog/pansies-told",
    )  # fmt: skip
    return Pages(here, run, paths)


async def walk(page: Page) -> None:
    """Press Tab from the first thing to the last: all of them, in order, each one seen with its ring."""
    await settled(page)
    await page.locator(".skip").focus()
    expected = set(await page.evaluate(ALL))
    places: list[int] = [(await page.evaluate(FOCUSED))["place"]]
    while True:
        await page.keyboard.press("Tab")
        found = await page.evaluate(FOCUSED)
        if found is None or found["place"] in places:
            break
        assert found["ring"], (page.url, found["what"])
        assert found["seen"], (page.url, found["what"])
        places.append(found["place"])
    assert places == sorted(places), page.url
    missed = expected - set(places)
    everything = (
        "(places) => places.map((one) => document.querySelectorAll('*')[one].outerHTML.slice(0, 120))"
    )
    assert not missed, (page.url, await page.evaluate(everything, list(missed)))


async def has_focus(page: Page) -> None:
    """The focus was not lost with what a swap took away."""
    await settled(page)
    await page.wait_for_function("() => !['BODY', 'HTML'].includes(document.activeElement.tagName)")


async def test_every_first_visit_is_light(console: Console, pages: Pages) -> None:
    """Everything that a page brings along, as it comes over the wire."""
    async with pages.here.person("owner") as (_, context):
        for path in pages.paths:
            fresh = await context.new_page()
            session = await context.new_cdp_session(fresh)
            await session.send("Network.enable")
            await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
            sizes: list[float] = []
            session.on(
                "Network.loadingFinished", lambda told, into=sizes: into.append(told["encodedDataLength"])
            )
            await fresh.goto(console.url + path)
            await settled(fresh)
            files = await fresh.locator("link[rel=stylesheet], script[src]").count()

            async def all_there(told: list[float] = sizes, least: int = files + 1) -> bool:
                return len(told) >= least

            await until(all_there)
            assert 20 * 1024 < sum(sizes) < 150 * 1024, path
            await fresh.close()


async def test_every_page_is_gone_through_by_tab_and_speaks_its_readers_language(
    console: Console, pages: Pages
) -> None:
    async with pages.here.person("owner", "ru") as (page, _):
        others: dict[str, list[str]] = {}
        for path in pages.paths:
            await page.goto(console.url + path)
            await walk(page)
            others[path] = await strangers(page, "ru")
        assert not any(others.values()), {path: told for path, told in others.items() if told}


async def test_lists_and_changes_are_worked_by_keyboard(console: Console, pages: Pages) -> None:
    here, run = pages.here, pages.run
    async with here.person("owner") as (page, _):
        for path, leads_to in (
            ("/agents", f"/agents/{NAME}"),
            (f"/models/{NAME}", f"/models/{NAME}/runs/{run}"),
            (f"/versions/{NAME}", f"/versions/{NAME}/1"),
        ):
            await page.goto(console.url + path)
            await page.keyboard.press("j")  # goes through the list and does not leave the page
            await expect(page.locator("[data-row]").first).to_be_focused()
            assert page.url == console.url + path
            await page.keyboard.press("Enter")
            await page.wait_for_url(console.url + leads_to)
            await page.go_back()
            await page.wait_for_url(console.url + path)

        await page.goto(here.versions)
        await here.bring_in(*talks(12)[11:])
        await page.locator("#freeze").focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{here.versions}/2")

        await page.goto(f"{console.url}/models/{NAME}")
        await page.locator(f"#activate-{run}").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(f"#row-{run} .in-service")).to_be_visible()
        await has_focus(page)
        await page.locator("#back").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator(f"#row-{run} .in-service")).to_have_count(0)
        await has_focus(page)

        await page.goto(f"{console.url}/agents/{NAME}")
        await page.locator("#edit[data-htmx-powered]").wait_for()
        await page.keyboard.press("e")
        await expect(page.locator("#name")).to_be_focused()
        await page.keyboard.press("Control+a")
        await page.keyboard.type("Pansies and more")
        await page.locator("#definition button.first").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("Pansies and more")
        await page.locator("#check-1").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#provider-keys .done")).to_be_visible()
        await has_focus(page)


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_every_page_is_usable_at_twice_its_size(console: Console, pages: Pages, language: str) -> None:
    """1280 by 800 pixels at 200 %: nothing beside the page, and what one operates can be brought in sight."""
    zoomed: dict[str, Any] = {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}
    async with pages.here.person("owner", language, **zoomed) as (page, _):
        for path in (*pages.paths, "/models?choose=1", f"/models/{NAME}/compare?a={pages.run}&b={pages.run}"):
            await page.goto(console.url + path)
            await settled(page)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert await page.evaluate(OUT_OF_REACH) == [], path
