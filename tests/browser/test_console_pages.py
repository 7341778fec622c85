"""The owner's first pages as a person uses them: in both languages, by mouse and keyboard, hostile text."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.world import Console, settled
from tests.harness import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
PATHS = (
    "/",
    "/agents",
    "/agents/shop",
    "/dialogs",
    "/dialogs/late",
    "/dialogs/hostile?q=read",
    "/dialogs/theirs",
)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def no_complaint(console: Console) -> AsyncIterator[None]:
    """No test may end with a report of the content policy or an error of a script."""
    yield
    complaints, console.complaints = console.complaints, []
    assert complaints == []


async def test_a_dialog_is_found_taken_into_the_dataset_and_taken_back(console: Console) -> None:
    async with console.person("olga", "ru") as (page, context):
        await page.get_by_role("link", name="Диалоги").first.click()
        await expect(page.get_by_role("status").first).to_have_text("62 диалога")
        await page.get_by_role("searchbox").press_sequentially("bouquet 17", delay=20)
        row = page.locator("[data-row]")
        await expect(row).to_have_count(1)
        await expect(page).to_have_url(re.compile(r"/dialogs\?q=bouquet\+17$"))
        await expect(page.get_by_role("searchbox")).to_be_focused()

        await row.click()
        await expect(page.locator(".message.user .text")).to_have_text("What does bouquet 17 cost?")
        await expect(page).to_have_url(re.compile(r"/dialogs/order-017\?q=bouquet\+17$"))
        other = await context.new_page()
        console.watch(other)
        await other.goto(page.url)
        mark = other.locator("[data-row] .cap-mark")
        await expect(mark).not_to_have_class(re.compile("is-in"))

        await page.get_by_role("button", name="В датасет").click()
        await expect(page.locator("#cap .state")).to_contain_text("учит 1 из 1 ответа")
        await page.get_by_role("button", name="СОХРАНИТЬ").click()
        await expect(page.locator("#cap .state")).to_contain_text("В датасете")
        await expect(page.get_by_role("button", name="Отменить")).to_be_focused()
        await expect(mark).to_have_class(re.compile("is-in"))  # the other tab hears of it
        await expect(other.locator("#cap .state")).to_contain_text("В датасете")

        await page.get_by_role("button", name="Отменить").click()
        await expect(page.locator("#cap .state")).to_contain_text("Открыта копия")
        await expect(mark).not_to_have_class(re.compile("is-in"))


async def test_chips_count_and_filter_and_marks_stay(console: Console) -> None:
    async with console.person("egor") as (page, _):
        await page.goto(f"{console.url}/dialogs")
        await page.get_by_label("with functions 1").check()
        await expect(page.locator("[data-row]")).to_have_count(1)
        await page.get_by_label("without functions").check()
        await expect(page.get_by_role("status").first).to_have_text("61 dialogs")
        await expect(page.locator("[data-row]")).to_have_count(50)
        await page.get_by_role("button", name="More").scroll_into_view_if_needed()
        await expect(page.locator("[data-row]")).to_have_count(61)

        await page.goto(f"{console.url}/dialogs/order-003")
        await page.get_by_role("button", name="Good").click()
        await expect(page.get_by_role("button", name="Good")).to_have_attribute("aria-pressed", "true")
        await expect(page.get_by_role("button", name="Good")).to_be_focused()
        found = await console.loop.ok("dialog-svc", "GET", "/v1/dialogs/order-003")
        assert found["rating"] == "good"


async def test_a_copy_that_teaches_nothing_is_not_saved_and_says_why(console: Console) -> None:
    async with console.person("olga") as (page, _):
        await page.goto(f"{console.url}/dialogs/late")
        await page.locator(".call summary").click()
        await expect(page.locator(".call pre").first).to_contain_text('"order": "A-17"')
        await expect(page.locator(".call pre").last).to_contain_text('"state": "on its way"')
        await page.get_by_role("button", name="Into the dataset").click()
        await expect(page.locator("#cap .state")).to_contain_text("teaches 0 of 2 answers")
        await page.get_by_role("button", name="SAVE").click()
        await expect(page.locator("#cap .refused")).to_contain_text("No answer teaches")
        await expect(page.get_by_role("button", name="SAVE")).to_be_visible()


async def test_the_agent_page_shows_all_and_a_key_is_never_shown(console: Console) -> None:
    async with console.person("olga") as (page, _):
        await page.goto(f"{console.url}/agents/shop")
        await expect(page.locator("#serving")).to_contain_text("gpt-4o-mini-2024-07-18")
        await page.get_by_role("button", name="What changed").click()
        await expect(page.locator("#diff del")).to_have_text("brief")
        await expect(page.locator("#diff ins").first).to_have_text("short")
        secret = "sk-another-0000000000000042"
        await page.locator("#key").fill(secret)
        await page.get_by_role("button", name="Save the key").click()
        await expect(page.locator("#provider-keys")).to_contain_text("another organisation")
        await expect(page.locator("#key")).to_have_value("")
        await page.get_by_label("These models may stop answering").check()
        await page.locator("#key").fill(secret)
        await page.get_by_role("button", name="Save the key").click()
        await expect(page.locator(".key code")).to_have_text("…0042")
        assert secret not in await page.content()
    assert secret not in console.running.log.read_text()


async def test_a_viewer_looks_and_changes_nothing(console: Console) -> None:
    async with console.person("vera") as (page, _):
        await page.goto(f"{console.url}/dialogs/order-001")
        await expect(page.locator("#cap")).to_have_text(re.compile("Not in the dataset"))
        assert await page.locator("#mark-good, #cap-take").count() == 0
        await page.goto(f"{console.url}/agents/shop")
        assert await page.locator("#key").count() == 0
        refused = await page.evaluate(
            """() => fetch("/mark", {method: "POST", body: new URLSearchParams({dialog_id: "order-001",
                rating: "bad"}), headers: {"X-Page-Token": document.body.dataset.pageToken}})
                .then((answer) => answer.text())"""
        )
        assert 'class="refused"' in refused
    found = await console.loop.ok("dialog-svc", "GET", "/v1/dialogs/order-001")
    assert found["rating"] is None


async def test_another_tenants_addresses_are_not_there(console: Console) -> None:
    async with console.person("olga") as (page, _):
        for path in ("/dialogs/theirs", "/dialogs/never-was", "/agents/theirs", "/reader/theirs"):
            answer = await page.goto(console.url + path)
            assert answer is not None
            assert answer.status == 404, path
            assert "Secret of Globex" not in await page.content()
    async with console.person("grace") as (page, _):
        answer = await page.goto(f"{console.url}/dialogs/theirs")
        assert answer is not None
        assert answer.status == 200
        await expect(page.locator(".message .text")).to_have_text("Secret of Globex")


async def test_hostile_text_is_only_text(console: Console) -> None:
    async with console.person("olga") as (page, _):
        await page.goto(f"{console.url}/dialogs/hostile")
        text = page.locator(".message.user .text")
        await expect(text).to_contain_text("<script>alert(2)</script>")
        await expect(text.locator(".unseen").first).to_have_attribute("title", "right-to-left override")
        assert await page.locator(".message img, .message script").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_by_keyboard_only(console: Console) -> None:
    async with console.person("olga") as (page, _):
        await page.goto(f"{console.url}/dialogs?q=bouquet&sort=oldest")
        await page.keyboard.press("j")
        await expect(page.locator("#reader h2")).to_have_text("order-000")
        await page.keyboard.press("j")
        await expect(page.locator("#reader h2")).to_have_text("order-001")
        await expect(page.locator("#row-order-001")).to_be_focused()
        await page.locator("#cap-take").wait_for()
        await page.keyboard.press("c")
        await expect(page.locator("#cap .state")).to_contain_text("A copy is open")
        await page.keyboard.press("/")
        await expect(page.get_by_role("searchbox")).to_be_focused()
        await page.keyboard.type("cj?")
        assert not await page.locator("#keys").is_visible()
        await page.locator("#row-order-001, .empty").first.wait_for()
        await page.get_by_role("searchbox").blur()
        await page.keyboard.press("?")
        await page.get_by_label("Single keys do something").uncheck()
        await page.keyboard.press("Escape")
        await page.keyboard.press("?")
        assert not await page.locator("#keys").is_visible()


async def test_what_was_typed_outlives_the_session(console: Console) -> None:
    async with console.person("olga") as (page, context):
        await page.goto(f"{console.url}/agents/shop")
        await page.locator("#key").fill("sk-still-here-000000000001")
        away = await context.new_page()
        await away.goto(console.url)
        await away.get_by_role("button", name="Sign out").click()
        await expect(page.locator("#session-ended")).to_be_visible()
        async with context.expect_page() as opened:
            await page.get_by_role("link", name="Sign in again").click()
        again = await opened.value
        await again.locator("button[value=olga]").click()
        await expect(again.locator("h1")).to_have_text("You are signed in")
        await expect(page.locator("#session-ended")).to_be_hidden()
        await expect(page.locator("#key")).to_have_value("sk-still-here-000000000001")
        await page.get_by_role("button", name="Ask the provider now").click()
        await expect(page.locator("#provider-keys .done")).to_be_visible()


@pytest.mark.parametrize(
    "options",
    [
        {"language": "ru"},
        {"language": "en", "color_scheme": "dark"},
        {"language": "ru", "viewport": {"width": 360, "height": 740}},
    ],
    ids=["russian", "english-dark", "phone"],
)
async def test_pages_are_accessible_and_fit(console: Console, options: dict[str, Any]) -> None:
    async with console.person("olga", **options) as (page, _):
        for path in PATHS:
            await page.goto(console.url + path)
            await settled(page)
            assert await console.violations(page) == [], path
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


async def test_a_service_that_is_down_is_said_in_its_place(console: Console) -> None:
    datasets = console.loop.services["dataset-svc"]
    assert await asyncio.to_thread(datasets.stop) == 0
    try:
        async with console.person("olga") as (page, _):
            await page.goto(f"{console.url}/dialogs/order-005")
            await expect(page.locator("#cap .refused")).to_contain_text("its service gives no answer")
            await expect(page.locator(".message.user .text")).to_have_text("What does bouquet 5 cost?")
            assert await page.locator("[data-row]").count() > 0
    finally:
        datasets.start()
        await datasets.ready()


async def test_the_first_visit_is_light(console: Console) -> None:
    """Everything that a page brings along, as it comes over the wire."""
    async with console.person("olga") as (_, context):
        fresh: Page = await context.new_page()
        session = await context.new_cdp_session(fresh)
        await session.send("Network.enable")
        await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        sizes: list[float] = []
        session.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
        await fresh.goto(f"{console.url}/dialogs/late")
        await settled(fresh)

        async def all_there() -> bool:
            return len(sizes) >= 6

        await until(all_there)
        print(f"the first visit: {sum(sizes) / 1024:.0f} KiB")
        assert sum(sizes) < 150 * 1024


async def test_an_agent_is_edited_with_mistakes_at_their_line_and_nothing_lost(console: Console) -> None:
    async with console.person("olga") as (page, _):
        await page.goto(f"{console.url}/agents/shop")
        await page.locator("#edit[data-htmx-powered]").wait_for()
        await page.keyboard.press("e")
        tools = page.locator("#tools-text")
        await page.locator("#prompt-text").fill("Tell them the truth.\nAlways.")
        good = await tools.input_value()
        await tools.fill(good.replace('"order_status",', '"order_status"'))
        await page.get_by_role("button", name="SAVE", exact=True).click()
        await expect(page.locator("#tools-line")).to_have_text("Line 6")
        await expect(tools).to_be_focused()
        await tools.fill(good.replace('"type": "string"', '"type": "strong"'))
        await page.get_by_role("button", name="SAVE", exact=True).click()
        await expect(page.locator("#tools-line")).to_have_text(re.compile(r"Line 1\d"))
        assert await console.violations(page) == []

        await page.reload()  # what was typed is there again
        await expect(page.locator("#prompt-text")).to_have_value("Tell them the truth.\nAlways.")
        await page.locator("#tools-text").fill(good)
        known = await console.loop.ok("agent-svc", "GET", "/v1/agents/shop")
        fields = ("name", "prompt", "tools", "base_model", "provider")
        others = {name: known[name] for name in fields} | {"name": "The flower shop"}
        await console.loop.ok("agent-svc", "PUT", "/v1/agents/shop", json=others)
        await page.get_by_role("button", name="SAVE", exact=True).click()
        await page.get_by_role("link", name="What changed").click()
        await expect(page.locator("#meanwhile")).to_contain_text("The flower shop")
        await page.get_by_role("button", name="Save over it").click()
        await expect(page.locator("#versions + ol li").first).to_contain_text("version 4")
        await expect(page.locator("#definition .text")).to_have_text("Tell them the truth.\nAlways.")
    now = await console.loop.ok("agent-svc", "GET", "/v1/agents/shop")
    assert (now["prompt"], now["tools"]) == ("Tell them the truth.\nAlways.", known["tools"])


async def test_a_page_that_lost_its_stream_catches_up(console: Console) -> None:
    async with console.person("olga") as (page, _):
        await page.goto(f"{console.url}/dialogs/order-020?q=bouquet+20")
        await page.get_by_role("button", name="Into the dataset").click()
        await expect(page.locator("#cap .state")).to_contain_text("A copy is open")
        example = await page.locator("#cap [name=example_id]").get_attribute("value")
        assert await asyncio.to_thread(console.running.stop) == 0
        await console.loop.ok("dataset-svc", "POST", f"/v1/examples/{example}/save")
        console.running.start()
        await console.running.ready()
        await expect(page.locator("#cap .state")).to_contain_text("In the dataset", timeout=20_000)
        await expect(page.locator("[data-row] .cap-mark")).to_have_class(re.compile("is-in"))
