"""Versions of a dataset in a real browser: frozen, compared, taken away, brought in, built again."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.tuning_dialogs import take_dialog
from tests.browser.tuning_world import fits, garden, talks
from tests.browser.world import MODEL, PROMPT, Console, in_each_look
from tests.harness import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_versions_are_frozen_compared_and_trained_again(console: Console) -> None:
    here = await garden(console, "violets", secret="sk-violets-0000000000001")
    async with here.person("owner") as (page, _):
        await page.goto(here.versions)
        await expect(page.locator(".empty")).to_contain_text("No version yet")
        await page.get_by_role("button", name="Freeze a version").click()
        await expect(page.locator("#frozen .refused")).to_contain_text("0 examples would train")

        await here.bring_in(*talks(12))
        await page.get_by_role("button", name="Freeze a version").click()
        await page.wait_for_url("**/versions/violets/1")
        await expect(page.locator("h2 .tag")).to_have_text("frozen")
        held = (await here.data("GET", "/versions/1"))["manifest"]["files"]["training"]
        await expect(page.locator(".manifest")).to_contain_text(held["sha256"])

        gone, edited = (await here.examples())[:2]
        remove = {"ids": [gone["id"]], "action": "remove"}
        await here.data("POST", "/examples/bulk", json=remove)
        shown = await here.ok("dataset-svc", "GET", f"/v1/examples/{edited['id']}")
        answer = shown["messages"][1]["id"]
        operations = [{"op": "edit", "message_id": answer, "content": "Another answer <i>than</i> before."}]
        path = f"/v1/examples/{edited['id']}"
        await here.ok(
            "dataset-svc", "PATCH", path, json={"operations": operations}, headers={"If-Match": "*"}
        )
        await here.ok("dataset-svc", "POST", f"{path}/save")
        await here.bring_in(*talks(14)[12:])
        await here.change_agent(prompt=PROMPT.replace("brief", "short"))
        await page.goto(here.versions)
        await page.get_by_role("button", name="Freeze a version").click()
        await page.wait_for_url("**/versions/violets/2")
        await page.get_by_role("link", name="What changed since version 1").click()
        for name, count in (("added", "2"), ("removed", "1"), ("changed", "1"), ("same", "10")):
            await expect(page.locator(f"#count-{name}")).to_have_text(count)
        await expect(page.locator(".both ins")).to_have_text("Another answer <i>than</i> before.")
        await expect(page.locator(".diff del")).to_have_text("brief")

        await page.goto(f"{here.versions}/1")
        await page.get_by_role("link", name="Train this version").click()
        await expect(page.locator("#start-title")).to_have_text("Train version 1 again")
        await expect(page.locator("#prospects")).to_contain_text("12 examples to learn from")
        await page.locator("#start-button").click()
        await page.wait_for_url(re.compile(r"/models/violets#row-"))
        run = page.url.rpartition("#row-")[2]

        assert (await here.ok("training-svc", "GET", f"/v1/runs/{run}"))["version"] == 1
        await page.goto(f"{here.versions}/1")
        await expect(page.locator(f"a[href='/models/violets/runs/{run}']")).to_have_text(MODEL)


async def test_examples_are_taken_away_and_brought_in_with_a_report(console: Console, tmp_path: Path) -> None:
    here = await garden(console, "dahlias")
    await here.bring_in(*talks(3))
    async with here.person("editor", "ru") as (page, _):
        await page.goto(here.versions)
        await page.get_by_label("Слова в них").fill("tulips")
        async with page.expect_download() as begun:
            await page.get_by_role("button", name="Скачать").click()
        download = await begun.value
        assert download.suggested_filename == "examples-openai.jsonl"
        taken = await asyncio.to_thread(Path(await download.path()).read_bytes)
        client = await console.loop.services["dataset-svc"].client("dahlias")
        same = await client.get(f"/v1/datasets/{here.dataset}/export", params={"q": "tulips"})
        assert taken == same.content
        assert len(taken.splitlines()) == 1

        good = {
            "messages": [{"role": "user", "content": "New?"}, {"role": "assistant", "content": "Yes, new."}]
        }
        file = tmp_path / "examples.jsonl"
        file.write_text(json.dumps(good) + "\n{no json\n" + json.dumps({"messages": []}) + "\n")
        await page.locator("#import-file").set_input_files(file)
        await page.get_by_role("button", name="Загрузить").click()
        told = page.locator("#imported")
        await expect(told).to_contain_text("Ничего не принято: ошибки в 2 строках")
        await expect(told.locator(".failures")).to_contain_text("Строка 2")
        await expect(told.locator(".failures")).to_contain_text("Строка 3")
        assert len(await here.examples()) == 3
        await page.get_by_label("При ошибках в строках").select_option(label="взять хорошие строки")
        await page.get_by_role("button", name="Загрузить").click()
        await expect(told).to_contain_text("Принят 1 пример")
        assert len(await here.examples()) == 4
        await told.get_by_role("button", name="Отменить").click()
        await expect(told).to_contain_text("Отменено: 1 из 1")
        assert len(await here.examples()) == 3


async def test_a_withdrawn_version_is_built_again(console: Console) -> None:
    here = await garden(console, "orchids")
    await here.bring_in(*talks(12))
    await take_dialog(
        here, "orchids-told", "Please forget what I told you about the white orchids in my hall."
    )
    assert (await here.data("POST", "/versions", json={}))["version"] == 1
    await here.ok("dialog-svc", "POST", "/v1/erasures", json={"dialog_id": "orchids-told"})

    async def withdrawn() -> bool:
        return bool((await here.data("GET", "/versions/1"))["state"] == "withdrawn")

    await until(withdrawn)
    async with here.person("editor", "ru") as (page, _):
        await page.goto(here.versions)
        await page.get_by_role("link", name="версия 1").click()
        await expect(page.locator("h2 .tag")).to_have_text("отозвана")
        await page.get_by_role("button", name="Собрать заново без стёртого").click()
        await page.wait_for_url("**/versions/orchids/2")
        await expect(page.locator("h2 .tag")).to_have_text("заморожена")
    assert (await here.data("GET", "/versions/2"))["examples"] == 12


@in_each_look
async def test_pages_of_versions_are_accessible_and_fit(console: Console, options: dict[str, Any]) -> None:
    here = await garden(console, "jasmine")
    if not (await here.data("GET", "/versions"))["items"]:
        await here.bring_in(*talks(11))
        for _ in range(2):
            await here.data("POST", "/versions", json={})
            await here.bring_in(*talks(12)[11:])
    async with here.person("viewer" if options["language"] == "en" else "owner", **options) as (page, _):
        for path in ("", "/1", "/diff?a=1&b=2"):
            await page.goto(here.versions + path)
            await fits(console, page)
