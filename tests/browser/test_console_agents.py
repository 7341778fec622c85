"""An agent's page in a real browser: versions, keys, editing."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.world import MODEL, Console

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


async def test_every_version_of_an_agent_can_be_reached(console: Console) -> None:
    for number in range(1, 23):
        definition = {"name": "Old", "prompt": f"Edition {number}", "tools": [], "base_model": MODEL}
        body = definition | {"provider": "openai"}
        await console.loop.ok("agent-svc", "PUT", "/v1/agents/old", tenant="archivists", json=body)
    async with console.person("owner", "en", "archivists") as (page, _):
        await page.goto(f"{console.url}/agents/old")
        rows = page.locator("#versions + ol li")
        await expect(rows).to_have_count(21)
        await page.get_by_role("button", name="More").click()
        await expect(rows).to_have_count(22)
        await rows.nth(20).get_by_role("button", name="What changed").click()
        await expect(page.locator("#diff ins").first).to_have_text("2")
