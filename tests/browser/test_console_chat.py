"""Test chat in a real browser: the hint trick, branches, functions answered by hand, two models at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.browser.florist import TENANT, called, make_agent, ok, publish_live
from tests.browser.world import Console, choose, settled
from tests.harness import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
AGENT, SECRET = "florist", "sk-florist-000000000001"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def florist(console: Console) -> AsyncIterator[None]:
    """The agent, and what its function really answered once."""
    await make_agent(console, AGENT, SECRET)
    order = called("order_status", {"order": "order"}, {"state": "packed"})
    spoken = [
        {"role": "user", "content": "Where is it?"},
        *order,
        {"role": "assistant", "content": "Packed."},
    ]
    await publish_live(console, "real-one", AGENT, spoken)
    yield


async def begin(page: Page, console: Console, words: str) -> None:
    """A new chat, up to its first answer."""
    await page.goto(f"{console.url}/chats/{AGENT}")
    await page.locator("#content").fill(words)
    await page.locator("[data-begins][data-htmx-powered]").wait_for()
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile(rf"/chats/{AGENT}/[0-9a-f-]{{36}}$"))
    await answered(page, 1)


async def answered(page: Page, count: int) -> None:
    """So many answers stand there whole."""
    await expect(page.locator(".message.assistant")).to_have_count(count)
    await expect(page.locator("[data-asking]")).to_have_count(0)
    await settled(page)


async def example_of(console: Console, page: Page) -> dict[str, Any]:
    """The example whose editor the page leads to."""
    await page.wait_for_url(re.compile(r"/examples/[0-9a-f-]{36}$"))
    found: dict[str, Any] = await ok(console, "dataset-svc", "GET", f"/v1/examples/{page.url[-36:]}")
    return found


async def test_words_are_sent_once_however_late_a_script_comes(console: Console) -> None:
    async with console.person("owner", tenant=TENANT) as (page, context):

        async def late(route: Route) -> None:
            await asyncio.sleep(1)
            await route.continue_()

        await context.route("**/chat.*.js", late)
        await begin(page, console, "Do you have lilies?")
        await expect(page.locator(".message.user")).to_have_count(1)


async def test_the_hint_trick_leads_to_an_example_with_its_hint_marked(console: Console) -> None:
    async with console.person("owner", "ru", tenant=TENANT) as (page, _):
        await page.get_by_role("link", name="Чат", exact=True).click()
        await page.goto(f"{console.url}/chats/{AGENT}")
        await expect(page.locator(".begin h2")).to_have_text("Изобразите клиента")
        await begin(page, console, "Есть ли у вас розы?")
        await expect(page.locator(".message.assistant .text")).to_contain_text("Есть ли у вас розы?")
        await page.locator(".message.user .text").click()
        await expect(page.locator("#edit-form #content")).to_be_focused()
        await page.keyboard.press("End")
        await page.keyboard.type(" Ответь, что красные привезли сегодня.")
        await expect(page.locator("#hint-says")).to_contain_text("Ответь, что красные привезли сегодня.")
        await page.keyboard.press("Enter")
        await expect(page.locator(".message mark.hint")).to_have_text("Ответь, что красные привезли сегодня.")
        await answered(page, 1)
        await expect(page.locator(".message.assistant .text")).to_contain_text("красные привезли")
        await expect(page.locator(".message.user .which")).to_have_text("2/2")
        await page.get_by_role("button", name="В датасет").click()
        example = await example_of(console, page)
        own, answer = example["messages"]
        assert own["hint"] == [{"start": 20, "end": 57}]
        assert "красные привезли" in answer["content"]
        await expect(page.locator("#messages mark.hint").first).to_have_text(
            "Ответь, что красные привезли сегодня."
        )
        done = page.get_by_role("button", name="ГОТОВО")
        await done.click()
        await expect(page.locator("#cap .refused a").first).to_have_attribute("href", f"#m-{own['id']}")
        await page.locator(f"#unhint-{own['id']}").click()
        await expect(page.locator("#messages mark.hint")).to_have_count(0)
        await done.click()
        await expect(page.locator("#cap .state")).to_contain_text("В датасете")
        await page.get_by_role("link", name="Назад в чат").click()
        await expect(page.locator(".message mark.hint")).to_have_text("Ответь, что красные привезли сегодня.")
    saved = await ok(console, "dataset-svc", "GET", f"/v1/examples/{example['id']}")
    assert (saved["saved_revision"], saved["messages"][0]["content"]) == (1, "Есть ли у вас розы?")


async def test_branches_are_stepped_through_gone_on_with_and_the_mark_is_moved_by_hand(
    console: Console,
) -> None:
    async with console.person("editor", tenant=TENANT) as (page, _):
        await begin(page, console, "Do you have tulips?")
        await page.locator(".edits").first.focus()
        await page.keyboard.press("Enter")
        area = page.locator("#edit-form #content")
        await expect(area).to_be_focused()
        await area.fill("Do you have tulips? Yes, yellow ones 🌷 since today.")
        start = len("Do you have tulips? ")
        await area.evaluate("(area, [from, to]) => area.setSelectionRange(from, to)", [start, start + 5])
        await page.get_by_role("button", name="The selection is not").click()
        await expect(page.locator("#hint-says")).to_have_text(
            re.compile(r"Hint: yellow ones 🌷 since today\.")
        )
        assert await console.violations(page) == []
        await page.reload()  # the form opens again, with the mark where it was put
        await expect(area).to_have_value("Do you have tulips? Yes, yellow ones 🌷 since today.")
        await expect(page.locator("#hint-says")).to_have_text(
            re.compile(r"Hint: yellow ones 🌷 since today\.")
        )
        await page.get_by_role("button", name="Ask again").first.click()
        await expect(page.locator(".message mark.hint")).to_have_text("yellow ones 🌷 since today.")
        await answered(page, 1)
        await page.get_by_role("button", name="Earlier branch").click()
        await expect(page.locator(".message.user .text")).to_have_text("Do you have tulips?")
        await expect(page.get_by_role("button", name="Earlier branch")).to_be_focused()
        await page.get_by_role("button", name="Another answer").click()
        await expect(page.locator(".message.assistant .which")).to_have_text("2/2")
        await answered(page, 1)
        await page.locator("#say #content").fill("And roses?")
        await page.keyboard.press("Enter")
        await answered(page, 2)
        await expect(page.locator(".message.user .text").last).to_have_text("And roses?")
        await expect(page.locator("#say #content")).to_have_value("")
        assert await console.violations(page) == []


async def test_an_answer_is_seen_coming_and_a_broken_stream_loses_nothing(console: Console) -> None:
    async with console.person("owner", tenant=TENANT) as (page, context):
        await begin(page, console, "Hello?")
        await page.evaluate(
            """() => { window.parts = []; document.addEventListener("answer-delta",
                () => parts.push(document.querySelector(".coming").textContent)) }"""
        )
        late = {"path": "/v1/chat/completions", "key": SECRET}
        console.loop.simulator.add_fault("hang", seconds=0.7, match=late)
        await page.locator("#content").fill("What does a rose cost?")
        await page.keyboard.press("Enter")
        await answered(page, 2)
        parts = await page.evaluate("parts")
        assert len(parts) > 3
        assert all(more.startswith(part) for part, more in pairwise(parts))

        console.loop.simulator.add_fault("hang", seconds=2, match=late)
        await page.locator("#content").fill("And a tulip?")
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-asking]")).to_have_count(1)
        other = await context.new_page()
        console.watch(other)
        await other.goto(page.url)  # has no stream: it looks again by itself
        assert await asyncio.to_thread(console.running.stop) == 0
        console.running.start()
        await console.running.ready()
        for each in (page, other):
            await answered(each, 3)
            await expect(each.locator(".message.assistant .text").last).to_contain_text("And a tulip?")


async def test_words_outlive_a_lost_network_and_a_lost_session_and_are_said_once(console: Console) -> None:
    async with console.person("owner", tenant=TENANT) as (page, context):
        await begin(page, console, "Good morning?")
        area = page.locator("#say #content")
        await context.set_offline(True)
        await area.fill("Have you peonies?")
        await page.keyboard.press("Enter")
        await expect(page.locator("#told")).to_contain_text("No connection")
        await expect(area).to_have_value("Have you peonies?")
        await context.set_offline(False)
        away = await context.new_page()
        await away.goto(console.url)
        await away.get_by_role("button", name="Sign out").click()
        await expect(page.locator("#session-ended")).to_be_visible()
        await page.get_by_role("button", name="Later").click()
        await area.press("Enter")
        await expect(page.locator("#session-ended")).to_be_visible()
        async with context.expect_page() as opened:
            await page.get_by_role("link", name="Sign in again").click()
        again = await opened.value
        await choose(again, "owner", TENANT)
        await expect(page.locator("#session-ended")).to_be_hidden()
        await expect(area).to_have_value("Have you peonies?")
        await area.press("Enter")
        await answered(page, 2)
        await expect(page.locator(".message.user .text")).to_have_text(["Good morning?", "Have you peonies?"])
        await expect(area).to_have_value("")
        await page.reload()
        await expect(area).to_have_value("")


async def test_functions_are_answered_by_hand_with_what_they_really_said(console: Console) -> None:
    async with console.person("editor", tenant=TENANT) as (page, _):
        await begin(page, console, "Tell me the order status of mine")
        form = page.locator(".calling")
        await expect(form).to_have_count(1)

        async def prefilled() -> bool:
            await page.reload()
            return "packed" in await form.locator("textarea").input_value()

        await until(prefilled)
        await expect(form).to_contain_text("So it really answered to the same question")
        await form.locator("textarea").fill('{"state": "at the door"}')
        await page.reload()  # what was typed is there again
        await expect(form.locator("textarea")).to_have_value('{"state": "at the door"}')
        await expect(page.locator(".call pre")).to_contain_text('"order"')
        assert await console.violations(page) == []
        await form.get_by_role("button", name="Give this answer").click()
        await answered(page, 2)
        await expect(page.locator(".message.assistant .text").last).to_contain_text("at the door")
        await expect(page.locator(".message.tool")).to_contain_text("order_status")


async def test_two_models_answer_side_by_side(console: Console) -> None:
    async with console.person("owner", tenant=TENANT, viewport={"width": 1280, "height": 800}) as (page, _):
        await page.goto(f"{console.url}/chats/{AGENT}?right=base")
        await page.locator("#content").fill("Which of you is it?")
        await page.get_by_role("button", name="Ask", exact=True).click()
        await page.wait_for_url(re.compile(rf"/chats/{AGENT}/[0-9a-f-]{{36}}$"))
        await answered(page, 2)
        await expect(page.locator(".talk-column h3")).to_have_text(["what serves now", "the base model"])
        await page.get_by_role("radio", name="the base model").check()
        await page.locator("#content").fill("Only you, please.")
        await page.keyboard.press("Enter")
        await answered(page, 3)
        await expect(page.get_by_role("radio", name="the base model")).to_be_checked()
        await expect(page.locator(".talk-column").last.locator(".message.user .text")).to_have_text(
            "Only you, please."
        )
        assert await console.violations(page) == []
        await page.set_viewport_size({"width": 360, "height": 740})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.locator(".column-head button").last.click()
        example = await example_of(console, page)
    assert len(example["messages"]) == 4


async def test_what_went_wrong_says_what_to_do_and_is_asked_again(console: Console) -> None:
    async with console.person("owner", "ru", tenant=TENANT) as (page, _):
        console.loop.simulator.add_fault("rate_limit", match={"path": "/v1/chat/completions", "key": SECRET})
        await begin(page, console, "Алло?")
        await expect(page.locator(".message.assistant .refused")).to_be_visible()
        await page.get_by_role("button", name="Спросить ещё раз").click()
        await expect(page.locator(".message.assistant .text")).to_contain_text("Алло?")


async def test_somebody_elses_change_meanwhile_is_a_choice(console: Console) -> None:
    async with console.person("owner", tenant=TENANT) as (page, _):
        await begin(page, console, "Is anybody there?")
        path = f"/v1/test-dialogs/{page.url[-36:]}/messages"
        await ok(console, "agent-svc", "POST", path, json={"role": "user", "content": "From elsewhere"})
        await page.locator("#content").fill("From here")
        await page.keyboard.press("Enter")
        await expect(page.locator("#chat-refused")).to_contain_text("Somebody changed this dialog")
        await expect(page.locator(".message.user .text").last).to_have_text("From elsewhere")
        await expect(page.locator("#content")).to_have_value("From here")
        await page.get_by_role("button", name="Send all the same").click()
        await answered(page, 3)
        await expect(page.locator(".message.user .text").last).to_have_text("From here")


async def test_hostile_words_are_words_and_chats_are_deleted(console: Console) -> None:
    async with console.person("owner", tenant=TENANT, color_scheme="dark") as (page, _):
        await begin(
            page,
            console,
            "<img src=x onerror=alert(1)> \u202egnp.exe <script>alert(2)</script>" + "x" * 5_000,
        )
        assert await page.locator("#talk img, #talk script").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await console.violations(page) == []
        page.on("dialog", lambda asked: asyncio.ensure_future(asked.accept()))
        gone = page.url
        await page.get_by_role("button", name="Delete").click()
        await page.wait_for_url(f"{console.url}/chats/{AGENT}")
        answer = await page.goto(gone)
        assert answer is not None
        assert answer.status == 404


async def test_who_may_not_write_looks_and_another_tenant_sees_nothing(console: Console) -> None:
    chat = await ok(console, "agent-svc", "POST", f"/v1/agents/{AGENT}/test-dialogs", json={"title": "Quiet"})
    address = f"{console.url}/chats/{AGENT}/{chat['dialog_id']}"
    async with console.person("viewer", tenant=TENANT, viewport={"width": 360, "height": 740}) as (page, _):
        await page.goto(address)
        await expect(page.locator("#composer")).to_contain_text("You may look")
        assert await page.locator("#say, #cap-take, .edits").count() == 0
        assert await console.violations(page) == []
        await page.goto(f"{console.url}/chats/{AGENT}")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert await console.violations(page) == []
    async with console.person("olga") as (page, _):
        for path in (address, f"{console.url}/chats/{AGENT}", f"{address}/talk"):
            answer = await page.goto(path)
            assert answer is not None
            assert answer.status == 404, path
