"""The page of dialogs in a real browser, by mouse and by keyboard: from the search to the cap."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.world import Console

pytestmark = pytest.mark.asyncio(loop_scope="session")


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
        await expect(page.locator("#cap .state")).to_contain_text("учит 1 ответу из 1")
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
        asks = await page.get_by_label("with functions 1").evaluate(
            """(chip) => new Promise((told) => {
                document.addEventListener("htmx:before:request", () => told("at once"), {once: true});
                setTimeout(told, 50, "later");
                chip.click();
            })"""
        )
        assert asks == "at once"  # only typing waits for more to come
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


async def test_the_list_and_its_address_follow_what_is_done_beside_it(console: Console) -> None:
    async with console.person("olga", viewport={"width": 1000, "height": 740}) as (page, _):
        await page.goto(f"{console.url}/dialogs?q=bouquet&sort=oldest")
        row = page.locator("#row-order-004")
        await row.click()
        await page.get_by_role("button", name="Bad").click()
        await expect(row.locator(".mark.bad")).to_have_attribute("title", "bad")
        await page.get_by_role("button", name="Good").click()
        await expect(row.locator(".mark.good")).to_have_attribute("title", "good")
        await page.get_by_role("button", name="Into the dataset").click()
        await expect(page).to_have_url(
            re.compile(r"/dialogs/order-004\?q=bouquet&sort=oldest&copy=[0-9a-f-]+$")
        )
        await page.get_by_role("searchbox").fill("bouquet 4")
        await expect(page).to_have_url(
            re.compile(r"/dialogs/order-004\?q=bouquet\+4&sort=oldest&copy=[0-9a-f-]+$")
        )
        await expect(row).to_have_attribute("aria-current", "true")
        await page.reload()  # the copy is still open
        await expect(page.locator("#editor .state")).to_contain_text("A copy is open")
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.get_by_role("link", name="The dialog itself").click()
        await page.get_by_role("link", name="All dialogs").click()
        await expect(page).to_have_url(re.compile(r"/dialogs\?q=bouquet\+4&sort=oldest$"))


async def test_keys_step_through_rows_that_lead_elsewhere_without_going_there(console: Console) -> None:
    async with console.person("olga") as (page, _):
        await page.goto(f"{console.url}/activity")
        links = page.locator("[data-row]")
        for place in (0, 1, 0):
            await page.keyboard.press("k" if place == 0 else "j")
            await expect(links.nth(place)).to_be_focused()
        await expect(page).to_have_url(f"{console.url}/activity")
        await page.keyboard.press("Enter")
        await expect(page).not_to_have_url(f"{console.url}/activity")


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
        await page.get_by_role("link", name="The dialog itself").click()
        await page.get_by_role("button", name="SAVE").click()  # beside the dialog, where nothing is marked
        await expect(page.locator("#cap .refused")).to_contain_text(
            "Open the copy and correct what is marked"
        )


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
        await page.keyboard.press("s")
        await expect(page.get_by_role("button", name="Undo")).to_be_visible()
        await page.keyboard.press("j")
        await expect(page.locator("#reader h2")).to_have_text("order-002")
        await page.keyboard.press("k")
        await page.locator("#cap-open").wait_for()
        await page.keyboard.press("e")
        await expect(page.locator("#editor .state")).to_contain_text("In the dataset")
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


async def test_a_page_that_lost_its_stream_catches_up(console: Console) -> None:
    async with console.person("olga") as (page, _):
        await page.goto(f"{console.url}/dialogs/order-020?q=bouquet+20")
        await page.get_by_role("button", name="Into the dataset").click()
        await expect(page.locator("#cap .state")).to_contain_text("A copy is open")
        example = await page.locator("#editor").get_attribute("data-example")
        assert await asyncio.to_thread(console.running.stop) == 0
        await console.loop.ok("dataset-svc", "POST", f"/v1/examples/{example}/save")
        console.running.start()
        await console.running.ready()
        await expect(page.locator("#cap .state")).to_contain_text("In the dataset", timeout=20_000)
        await expect(page.locator("[data-row] .cap-mark")).to_have_class(re.compile("is-in"))
