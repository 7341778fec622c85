"""What holds for every page: who sees what, sessions, accessibility, a service that is down."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.world import Console, in_each_look, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")
PATHS = (
    "/",
    "/activity",
    "/agents",
    "/agents/shop",
    "/dialogs",
    "/dialogs/late",
    "/dialogs/hostile?q=read",
    "/dialogs/theirs",
    "/chats/shop",
    "/models/shop",
    "/lineage/dialog/order-001",
)


async def test_a_viewer_looks_and_changes_nothing(console: Console) -> None:
    async with console.person("vera") as (page, _):
        await page.goto(f"{console.url}/dialogs/order-040")
        await expect(page.locator("#cap")).to_have_text(re.compile("Not in the dataset"))
        assert await page.locator("#mark-good, #cap-take").count() == 0
        await page.goto(f"{console.url}/agents/shop")
        assert await page.locator("#key").count() == 0
        refused = await page.evaluate(
            """() => fetch("/mark", {method: "POST", body: new URLSearchParams({dialog_id: "order-040",
                rating: "bad"}), headers: {"X-Page-Token": document.body.dataset.pageToken}})
                .then((answer) => answer.text())"""
        )
        assert 'class="refused"' in refused
    found = await console.loop.ok("dialog-svc", "GET", "/v1/dialogs/order-040")
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


async def test_the_first_page_leads_on_and_activity_tells_who_did_what(console: Console) -> None:
    async with console.person("olga", "ru") as (page, _):
        await page.goto(console.url)
        step = page.locator("[aria-current=step]")
        await expect(page.locator(".step.is-done").first).to_contain_text("Дайте агенту свой ключ")
        await expect(step).to_have_count(1)
        await step.locator("a").focus()
        await page.goto(f"{console.url}/dialogs/order-050")
        await page.get_by_role("button", name="Плохой").click()
        await expect(page.get_by_role("button", name="Плохой")).to_have_attribute("aria-pressed", "true")
        await page.get_by_role("link", name="Журнал").click()
        did = page.locator(".did").filter(has_text="order-050")
        await expect(did).to_contain_text("оценка диалога")
        await expect(did).to_contain_text("olga")
        await did.get_by_role("link").click()
        await expect(page.locator("#reader h2")).to_have_text("order-050")
        for rating in ("good", "bad") * 26:
            body = {"rating": rating}
            await console.loop.ok("dialog-svc", "PUT", "/v1/dialogs/order-051/rating", json=body)
        await page.goto(f"{console.url}/activity")
        await expect(page.locator(".did")).to_have_count(50)
        await page.locator(".more").scroll_into_view_if_needed()
        await expect(page.locator(".did").filter(has_text="order-050")).to_be_visible()
    async with console.person("grace") as (page, _):
        await page.goto(console.url)
        await expect(page.locator("main h2")).to_have_text("There is no agent yet")
        await page.goto(f"{console.url}/activity")
        assert "order-050" not in await page.content()


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


@in_each_look
async def test_pages_are_accessible_and_fit(console: Console, options: dict[str, Any]) -> None:
    async with console.person("olga", **options) as (page, _):
        for path in PATHS:
            await page.goto(console.url + path)
            await settled(page)
            if path == "/activity":
                await expect(page.locator("nav [aria-current=page]")).to_be_in_viewport(ratio=0.9)
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
