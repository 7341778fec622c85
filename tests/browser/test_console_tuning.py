"""The page of fine-tuning in a real browser: the dataset, suggestions, near duplicates, and the start."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.tuning_world import NEAR, Garden, garden, suggest, talks
from tests.browser.world import Console, settled
from tests.harness import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
PHONE = ("Мой телефон +7 916 123-45-67, перезвоните про заказ", "Перезвоним сегодня же.")
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


async def test_examples_are_found_changed_together_and_changed_back(console: Console) -> None:
    here = await garden(console, "asters")
    await here.bring_in(*talks(12), PHONE)
    async with here.person("editor") as (page, _):
        await page.goto(here.url)
        rows = page.locator("tr.example")
        await expect(rows).to_have_count(13)
        await page.get_by_role("searchbox").fill("OMSK")
        await expect(rows).to_have_count(2)
        await expect(page).to_have_url(re.compile(r"/tuning/asters\?q=OMSK$"))
        await page.get_by_role("searchbox").fill("")
        await expect(rows).to_have_count(13)
        await page.get_by_role("searchbox").blur()

        for key in ("j", "x", "j", "j", "Shift+X"):
            await page.keyboard.press(key)
            await settled(page)
        await expect(page.locator("[data-picked]")).to_have_text("3")
        await expect(page.locator(".look .message.user .text")).to_contain_text("Do you bring")
        await page.get_by_role("button", name="Remove …").click()
        await expect(page.locator("#bulk")).to_contain_text("Remove 3 examples from the dataset?")
        assert len(await here.examples()) == 13  # it only counted
        await expect(page.get_by_role("button", name="Remove", exact=True)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#bulk")).to_contain_text("Done: 3 of 3")
        await expect(rows).to_have_count(10)
        await expect(page.locator("#tab-examples")).to_contain_text("10")
        await expect(page.get_by_role("button", name="Undo")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("#bulk")).to_contain_text("Taken back: 3 of 3")
        await expect(rows).to_have_count(13)

        await page.get_by_text("Tags", exact=True).first.click()
        await page.get_by_label("all that the filters show").check()
        await page.get_by_label("Tags, with commas between").fill("spring, first")
        await page.get_by_role("button", name="Add …").click()
        await page.get_by_role("button", name="Add the tags").click()
        await expect(page.locator("#bulk")).to_contain_text("Done: 13 of 13")
        assert all(one["tags"] == ["first", "spring"] for one in await here.examples())


async def test_personal_data_is_filtered_and_replaced_everywhere(console: Console) -> None:
    here = await garden(console, "crocus")
    await here.bring_in(PHONE, *talks(30))
    async with here.person("owner", "ru") as (page, _):
        await page.goto(here.url)
        await page.locator("#health .finding", has_text="персональные данные").click()
        await expect(page.locator("tr.example")).to_have_count(1)
        await expect(page).to_have_url(re.compile(r"finding=personal_data"))
        await page.locator("#pseudonymise-all").click()
        await expect(page.locator("#bulk")).to_contain_text("Заменить данные псевдонимами в 1 примере?")
        await expect(page.locator("#bulk")).to_contain_text("телефоны: 1")
        await page.get_by_role("button", name="Заменить псевдонимами").click()
        await expect(page.locator("#bulk")).to_contain_text("Сделано: 1 из 1")
        await expect(page.locator(".empty")).to_contain_text("Таких примеров нет")
        (one,) = await here.examples(q="перезвоните")
        assert "телефон-1" in one["opening"]
        # more than are changed within the call: followed while they go on, failures listed
        await page.goto(f"{here.url}?state=saved")
        await page.locator("#everything").check()
        await page.get_by_role("button", name="Убрать…").click()
        await page.get_by_role("button", name="Убрать", exact=True).click()
        await expect(page.locator("#bulk")).to_contain_text("Сделано: 31 из 31")
        await expect(page.locator("#health")).to_contain_text("В датасете пока пусто")
        await page.get_by_role("button", name="Отменить").click()
        await expect(page.locator("#bulk")).to_contain_text("Отменено: 31 из 31")


async def test_suggestions_are_decided_by_keyboard(console: Console) -> None:
    here = await garden(console, "roses")
    await suggest(here, 4)
    async with here.person("editor", "ru") as (page, _):
        await page.goto(f"{here.url}?work=suggestions")
        rows = page.locator(".suggestion")
        await expect(rows).to_have_count(4)
        await expect(rows.first).to_contain_text("оценён плохо")
        hostile = page.locator(".suggestion", has_text="Розы")
        await expect(hostile).to_contain_text("<b onmouseover=alert(1)>")
        assert await hostile.locator("b").count() == 0

        async def decide(key: str, told: str, *, step: bool = True) -> None:
            if step:
                await page.keyboard.press("j")
            await page.locator(".look [data-key=c]").wait_for()
            await expect(page.locator(".look .message")).to_have_count(2)
            await page.keyboard.press(key)
            await expect(page.locator(".decided", has_text=told)).to_have_count(1)

        await page.keyboard.press("j")  # the one with most reasons, and where each of them shows
        await expect(page.locator(".look .marked .tag")).to_have_text("клиент просил человека")
        await page.keyboard.press("j")
        await page.keyboard.press("k")
        await decide("c", "взят, открыта копия", step=False)
        await expect(page.get_by_role("link", name="Открыть в редакторе")).to_be_focused()
        await decide("n", "пропущен")
        await expect(page.get_by_role("button", name="Отменить")).to_be_focused()
        await decide("l", "вернётся через неделю")
        await expect(page.locator("#tab-suggestions .count")).to_have_text("1")
        await page.locator(".decided", has_text="пропущен").get_by_role("button", name="Отменить").click()
        await expect(page.locator("#tab-suggestions .count")).to_have_text("2")
        (one,) = await here.examples()
        assert one["state"] == "draft"
        assert (await here.data("GET", "/suggestions?state=snoozed"))["total"] == 1

        await page.goto(here.url)  # what is done elsewhere shows by itself
        row = page.locator(f"#example-{one['id']}")
        await expect(row).to_contain_text("ещё не сохранены")
        bulk = {"ids": [one["id"]], "action": "set_weights", "weight": 1}
        await here.data("POST", "/examples/bulk", json=bulk)
        await here.ok("dataset-svc", "POST", f"/v1/examples/{one['id']}/save")
        await expect(row).not_to_contain_text("ещё не сохранены")
        await here.data("POST", "/examples/bulk", json={"ids": [one["id"]], "action": "remove"})
        await expect(row).to_contain_text("убраны")


async def test_of_near_duplicates_one_is_kept(console: Console) -> None:
    here = await garden(console, "peonies")
    await here.bring_in(*talks(2), *NEAR)
    async with here.person("editor") as (page, _):
        await page.goto(f"{here.url}?work=duplicates")
        await expect(page.locator(".group .member")).to_have_count(3)
        await page.get_by_role("button", name="Keep only this one").first.click()
        await expect(page.locator("#bulk")).to_contain_text("Done: 2 of 2")
        await expect(page.locator("#work")).to_contain_text("No two examples say nearly the same")
        assert len(await here.examples()) == 3
        await page.get_by_role("button", name="Undo").click()
        await expect(page.locator(".group .member")).to_have_count(3)


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
        async with page.expect_navigation(url=re.compile(r"/models/lilies\?run=")):
            await page.evaluate(
                "() => { for (let n = 0; n < 10; n++) document.getElementById('start-anyway').click() }"
            )
        run = page.url.rpartition("run=")[2]
        asked = {"path": "/tuning/lilies/start", "body": fields | {"confirm": "true"}}
        answers = await asyncio.gather(*(other.evaluate(POST, asked) for _ in range(10)))
        assert {(status, where) for status, where, _ in answers} == {(204, f"/models/lilies?run={run}")}

        async def seen() -> list[Any]:
            found = await here.ok("training-svc", "GET", "/v1/runs?agent_id=lilies")
            return [one for one in found["items"] if one["status"] == "ready"]

        assert [one["run_id"] for one in await until(seen)] == [run]
        jobs = [one for one in console.loop.simulator.ledger() if run in str(one)]
        assert len(jobs) == 1
        later = await asyncio.gather(*(other.evaluate(POST, asked) for _ in range(3)))
        assert {where for _, where, _ in later} == {f"/models/lilies?run={run}"}  # ended, and still not again

        await here.bring_in(*talks(13)[11:])  # what is new is a version of its own
        await other.reload()
        await expect(other.locator("#prospects")).to_contain_text("14 примеров учат")
        await other.get_by_role("button", name="Начать обучение").click()
        async with other.expect_navigation(url=re.compile(r"/models/lilies\?run=")):
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


@pytest.mark.parametrize(
    "options",
    [
        {"language": "ru"},
        {"language": "en", "color_scheme": "dark"},
        {"language": "ru", "viewport": {"width": 360, "height": 740}},
    ],
    ids=["russian", "english-dark", "phone"],
)
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


async def fits(console: Console, page: Page) -> None:
    """Neither axe nor the page's width may object."""
    await settled(page)
    assert await console.violations(page) == [], page.url
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
