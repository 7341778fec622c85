"""The start of a training in a real browser: once and only once, or why not; and the page as a whole."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.tuning_dialogs import suggest
from tests.browser.tuning_world import NEAR, PHONE, Garden, fits, garden, talks
from tests.browser.world import Console, in_each_look
from tests.harness import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
POST = """(fields) => {
    const headers = {"X-Page-Token": document.body.dataset.pageToken, "HX-Request": "true"};
    return fetch(fields.path, {method: "POST", body: new URLSearchParams(fields.body), headers})
        .then(async (answer) => [answer.status, answer.headers.get("HX-Redirect"), await answer.text()])
}"""


@pytest.fixture(scope="module")
def places() -> dict[str, Garden]:
    """Gardens that several tests look at."""
    return {}


async def full(console: Console, places: dict[str, Garden]) -> Garden:
    """A garden with something of everything."""
    if "tulips" not in places:
        made = places["tulips"] = await garden(console, "tulips", secret="sk-tulips-00000000000001")
        await made.bring_in(*talks(9), *NEAR, PHONE)
        await made.bring_in(("What does <|this|> cost?", "A draft of an answer."), state="draft")
        await suggest(made, 3)
    return places["tulips"]


async def test_what_prevents_a_training_is_said_beside_the_button(console: Console) -> None:
    here = await garden(console, "irises")
    await here.bring_in(*talks(8))
    async with here.person("owner") as (page, _):
        await page.goto(here.url)
        beside = page.locator("#prospects")
        await expect(beside).to_contain_text("There is no key for OpenAI yet.")
        await expect(beside).to_contain_text("There are 8 to learn from, at least 10 are needed.")
        await page.locator("#start-button").click()
        await expect(beside.get_by_role("alert")).to_contain_text("8 examples would train, 10 are needed")
        await expect(page.locator("#start-button")).to_be_focused()

        await here.bring_in(*talks(12)[8:], ("What does <|this|> cost?", "A draft."), state="draft")
        await page.get_by_role("link", name="Save what is open").click()
        await page.locator("#everything").check()
        await page.get_by_role("button", name="Save …").click()
        await page.get_by_role("button", name="Save", exact=True).click()
        await expect(page.locator("#bulk .failures")).to_contain_text("refused by the provider")
        await expect(beside).to_contain_text("12 examples to learn from")
        await page.locator("#start-button").click()
        await expect(beside.get_by_role("alert")).to_contain_text("The agent has no key for openai")

        cost = beside.locator(".cost strong")
        await expect(cost).to_have_text(re.compile(r"\$0\.0\d"))
        cheap = await cost.inner_text()
        await page.get_by_label("4o (smart)").first.check()
        await expect(cost).not_to_have_text(cheap)
        await page.get_by_text("Advanced settings").click()
        await page.get_by_label("Epochs").fill("51")
        await expect(beside).to_contain_text("at most 50 epochs")
        await page.get_by_label("At most, $").fill("0.01")
        await expect(beside).to_contain_text("It costs more than your limit")

        await here.call_a_function("order_status")
        await here.change_agent(tools=[])
        await page.reload()
        await expect(beside).to_contain_text("Some examples would be refused")
        await page.locator("#start-button").click()
        await expect(beside.get_by_role("alert")).to_contain_text("Some examples have errors")
        await beside.get_by_role("link", name="unknown functions 1").click()
        await expect(page.locator("tr.example")).to_have_count(1)
    assert (await here.ok("training-svc", "GET", "/v1/runs?agent_id=irises"))["items"] == []


async def test_a_training_begins_once_however_often_it_is_pressed(console: Console) -> None:
    here = await garden(console, "lilies", secret="sk-lilies-00000000000001")
    await here.bring_in(*talks(11), PHONE)
    async with here.person("owner", "ru") as (page, context):
        other = await context.new_page()
        for one in (page, other):
            console.watch(one)
            await one.goto(here.url)
            await expect(one.locator("#prospects")).to_contain_text("12 примеров учат")
        fields = await other.evaluate("Object.fromEntries(new FormData(document.getElementById('training')))")
        await page.get_by_role("button", name="Начать обучение").click()
        await expect(page.locator("#start-anyway")).to_be_focused()  # once they are confirmed
        await expect(page.locator(".warned")).to_contain_text("персональные данные 1")
        assert (await here.data("GET", "/versions"))["items"] == []
        async with page.expect_navigation(url=re.compile(r"/models/lilies#row-")):
            await page.evaluate(
                "() => { for (let n = 0; n < 10; n++) document.getElementById('start-anyway').click() }"
            )
        run = page.url.rpartition("#row-")[2]
        await expect(page.locator(f"#row-{run}")).to_be_visible()  # it is there at once
        asked = {"path": "/tuning/lilies/start", "body": fields | {"confirm": "true"}}
        answers = await asyncio.gather(*(other.evaluate(POST, asked) for _ in range(10)))
        assert {(status, where) for status, where, _ in answers} == {(204, f"/models/lilies#row-{run}")}

        async def seen() -> list[Any]:
            found = await here.ok("training-svc", "GET", "/v1/runs?agent_id=lilies")
            return [one for one in found["items"] if one["status"] == "ready"]

        assert [one["run_id"] for one in await until(seen)] == [run]
        jobs = [one for one in console.loop.simulator.ledger() if run in str(one)]
        assert len(jobs) == 1
        later = await asyncio.gather(*(other.evaluate(POST, asked) for _ in range(3)))
        assert {where for _, where, _ in later} == {f"/models/lilies#row-{run}"}  # ended, and still not again

        await here.bring_in(*talks(13)[11:])  # what is new is a version of its own
        await other.reload()
        await expect(other.locator("#prospects")).to_contain_text("14 примеров учат")
        await other.get_by_role("button", name="Начать обучение").click()
        async with other.expect_navigation(url=re.compile(r"/models/lilies#row-")):
            await other.locator("#start-anyway").click()
        assert run not in other.url
        versions = (await here.data("GET", "/versions"))["items"]
        assert [one["examples"] for one in versions] == [14, 12]


async def test_a_viewer_looks_and_a_silent_service_leaves_the_rest(
    console: Console, places: dict[str, Garden]
) -> None:
    here = await full(console, places)
    async with here.person("viewer") as (page, _):
        await page.goto(here.url)
        await page.locator("[data-row]").first.click()
        await expect(page.locator(".look")).to_be_visible()
        await expect(page.locator("#start")).to_contain_text("Only an owner")
        assert await page.locator("#picked, #start-button, input[name=ids]").count() == 0
        for path, body in (
            ("/tuning/tulips/bulk", {"action": "remove", "everything": "true"}),
            ("/tuning/tulips/start", {"confirm": "true"}),
            ("/versions/tulips/freeze", {"key": "k"}),
        ):
            status, _, text = await page.evaluate(POST, {"path": path, "body": body})
            assert status == 403, path
            assert 'class="refused"' in text
    async with console.person("grace") as (page, _):
        for path in ("/tuning/tulips", "/tuning/never-was", "/versions/tulips/1", "/versions/tulips/export"):
            answer = await page.goto(console.url + path)
            assert answer is not None
            assert answer.status == 404, path
    service = console.loop.services["training-svc"]
    assert await asyncio.to_thread(service.stop) == 0
    try:
        async with here.person("owner") as (page, _):
            await page.goto(here.url)
            await expect(page.locator("#start .refused")).to_contain_text("its service gives no answer")
            await expect(page.locator("tr.example")).to_have_count(14)
            await expect(page.locator("#health .figures")).to_be_visible()
    finally:
        service.start()
        await service.ready()


@in_each_look
async def test_the_page_is_accessible_and_fits(
    console: Console, places: dict[str, Garden], options: dict[str, Any]
) -> None:
    here = await full(console, places)
    async with here.person("owner", **options) as (page, _):
        for work in ("", "?finding=personal_data", "?work=suggestions", "?work=duplicates"):
            await page.goto(here.url + work)
            await page.locator("#prospects .cost").wait_for()
            await page.locator("#health .figures").wait_for()
            await page.locator("[data-row]").first.click()
            await page.locator(".look").wait_for()
            for details in await page.locator("#start details").all():
                await details.evaluate("(one) => { one.open = true }")
            await fits(console, page)
