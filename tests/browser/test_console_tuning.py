"""The dataset on the page of fine-tuning in a real browser: its table, suggestions, near duplicates."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.tuning_dialogs import suggest
from tests.browser.tuning_world import NEAR, PHONE, garden, talks
from tests.browser.world import Console, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


async def test_allowed_values_are_listed_and_taken_back(console: Console) -> None:
    here = await garden(console, "violets")
    await here.bring_in(PHONE, *talks(2))
    value = {"text": "+7 916 123-45-67", "kind": "phone", "why": "<b>Our shop</b>"}
    await here.data("POST", "/allowed-values", json=value)
    found = "персональные данные"
    async with here.person("editor", "ru") as (page, _):
        await page.goto(here.url)
        await expect(page.locator("#health .figures")).to_be_visible()
        await expect(page.locator("#health .finding", has_text=found)).to_have_count(0)
        await page.get_by_text("Разрешено: это не персональные данные").click()
        await expect(page.locator("#allowed li")).to_contain_text("<b>Our shop</b>")
        await settled(page)
        assert await console.violations(page) == []
        await page.get_by_role("button", name="Больше не разрешать: +7 916 123-45-67").press("Enter")
        await expect(page.locator("#bulk")).to_contain_text("Снова считается персональными данными")
        await expect(page.get_by_role("button", name="Отменить")).to_be_focused()
        await expect(page.locator("#allowed li")).to_have_count(0)
        await expect(page.locator("#health .finding", has_text=found)).to_have_count(1)
        await page.keyboard.press("Enter")
        await expect(page.locator("#bulk")).to_contain_text("Больше не считается")
        await expect(page.locator("#health .finding", has_text=found)).to_have_count(0)
        await expect(page.locator("#allowed summary .count")).to_have_text("1")
        await page.set_viewport_size({"width": 360, "height": 740})
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    async with here.person("viewer") as (page, _):
        await page.goto(here.url)
        await page.get_by_text("Allowed as no personal data").click()
        await expect(page.locator("#allowed li")).to_have_count(1)
        assert await page.locator("#allowed button").count() == 0


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
