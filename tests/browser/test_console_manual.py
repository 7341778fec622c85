"""The manual's way as one journey: a new owner goes from the first click to ▶ and back, in each language."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import FilePayload, expect

from tests.browser.manual_owner import AGENT, Owner, answers, publish_dialogs
from tests.browser.world import MODEL, Console, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")
NOTE_WHAT_IS_SEEN = """addEventListener("DOMContentLoaded", () => {
    const seen = window.seen = [];
    const note = () => document.querySelectorAll("#runs .status, #serving .switching").forEach((one) => {
        if (!seen.includes(one.textContent.trim())) seen.push(one.textContent.trim());
    });
    note();
    new MutationObserver(note).observe(document.body, {childList: true, subtree: true, characterData: true});
})"""


@pytest.mark.parametrize("language", ["ru", "en"])
async def test_from_the_first_click_to_a_model_in_service_and_back(console: Console, language: str) -> None:
    tenant = f"house-{language}"
    async with console.person("owner", language, tenant=tenant) as (page, _):
        await page.add_init_script(NOTE_WHAT_IS_SEEN)
        one = Owner(console, page, language, tenant)
        await _gives_a_key(one)
        await _keeps_a_good_dialog_and_corrects_a_bad_one(one)
        await _teaches_by_a_hint(one)
        await _brings_more_in(one)
        run = await _trains(one)
        model = await _puts_it_into_service(one, run)
        await _sees_it_go_stale(one)
        await one.button("Back to what served before").click()
        await expect(page.locator("#serving .serves-now")).to_have_text(MODEL)
        assert await answers(one) == MODEL != model
        await one.go("Activity")
        assert await page.locator(".did").count() > 10
        await expect(page.locator(".did code")).to_have_count(0)  # each has words


async def _gives_a_key(one: Owner) -> None:
    await expect(one.page.locator("main h2")).to_have_text(one.say("There is no agent yet"))
    await one.reads()
    await one.define()
    await one.is_next("Give it your key")
    await one.page.locator("[aria-current=step] a").click()
    await one.page.locator("#key").fill(one.secret)
    await one.button("Save the key").click()
    await expect(one.page.locator(".key .tag")).to_have_text(one.say("not yet proven"))
    await one.reads()
    await one.is_next("Find dialogs, press the cap")


async def _keeps_a_good_dialog_and_corrects_a_bad_one(one: Owner) -> None:
    await publish_dialogs(one)
    page = one.page
    await page.locator("[aria-current=step] a").click()
    await expect(page.get_by_role("status").first).to_have_text(one.say("2 dialogs"))
    await page.locator("#row-good").click()
    await one.button("Good").click()
    await expect(one.button("Good")).to_have_attribute("aria-pressed", "true")
    await one.button("Into the dataset").click()
    state = page.locator("#cap .state")
    await expect(state).to_contain_text(one.say("teaches 1 of 1 answer"))
    await one.button("SAVE").click()
    await expect(state).to_contain_text(one.say("In the dataset"))

    await page.locator("#row-bad").click()
    await one.button("Bad").click()
    await expect(one.button("Bad")).to_have_attribute("aria-pressed", "true")
    await one.button("Into the dataset").click()
    await expect(state).to_contain_text(one.say("teaches 0 of 1 answer"))
    await page.locator("#m-m1 .view").click()
    await page.keyboard.press("Control+a")
    await page.keyboard.type(one.text["right"])
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#m-m1 .tag").first).to_have_text(one.say("edited"))
    await page.locator("#step-back").click()
    await expect(page.locator("#m-m1 .now")).to_have_text(one.text["bad"][1])
    await page.locator("#step-forth").click()
    await expect(page.locator("#m-m1 .now")).to_have_text(one.text["right"])
    await one.button("SAVE").click()
    await expect(state).to_contain_text(one.say("In the dataset"))
    await one.reads()
    await one.button("Undo").click()
    await expect(state).to_contain_text(one.say("A copy is open"))
    await one.button("SAVE").click()
    await expect(state).to_contain_text(one.say("In the dataset"))
    await page.get_by_role("link", name=re.compile("dialog itself|Сам диалог")).click()
    await expect(page.locator("#reader .messages .text").last).to_have_text(one.text["bad"][1])  # as it was
    await one.is_next("Collect enough examples")


async def _teaches_by_a_hint(one: Owner) -> None:
    page = one.page
    await one.go("Test chat")
    await page.locator("#content").fill(one.text["asked"])
    await page.locator("[data-begins][data-htmx-powered]").wait_for()
    await page.keyboard.press("Enter")
    await one.is_answered()
    await page.locator(".message.user .text").click()
    await expect(page.locator("#edit-form #content")).to_be_focused()
    await page.keyboard.press("End")
    await page.keyboard.type(one.text["hint"])
    await page.keyboard.press("Enter")
    await expect(page.locator(".message mark.hint")).to_have_text(one.text["hint"].strip())
    await one.is_answered()
    await one.reads()
    await one.button("Into the dataset").click()
    await one.button("DONE").click()
    await expect(page.locator("#cap .refused")).to_contain_text(one.say("The hint is still in"))
    await one.reads()
    await page.locator("#messages mark.hint").first.click()
    await expect(page.locator("#messages mark.hint")).to_have_count(0)
    await one.button("DONE").click()
    await expect(page.locator("#cap .state")).to_contain_text(one.say("In the dataset"))


async def _brings_more_in(one: Owner) -> None:
    await one.go("Versions")
    ask, answer = one.text["line"]
    lines = [
        {"messages": [{"role": "user", "content": ask.format(kind, number)},
                      {"role": "assistant", "content": answer.format(kind, number)}]}
        for number, kind in enumerate(one.text["kinds"], 3)
    ]  # fmt: skip
    body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    file: FilePayload = {"name": "examples.jsonl", "mimeType": "application/jsonl", "buffer": body}
    await one.page.locator("#import-file").set_input_files(file)
    await one.page.locator("#import-state").select_option("saved")
    await one.button("Bring in").click()
    await expect(one.page.locator("#imported")).to_contain_text(one.say("9 examples were taken"))
    await one.reads()
    await one.is_next("Start the training")


async def _trains(one: Owner) -> str:
    page = one.page
    await one.go("Fine-tuning")
    await expect(page.locator("#prospects")).to_contain_text(one.say("12 examples to learn from"))
    await expect(page.locator("#prospects .cost strong")).to_contain_text("$")
    await settled(page)
    await one.reads()
    late = {"path": "/v1/files", "method": "POST", "key": one.secret}
    one.console.loop.simulator.add_fault("hang", seconds=2, match=late, when="before")
    await one.button("Start training").click()
    await page.wait_for_url(re.compile(f"/models/{AGENT}#row-"))
    run = page.url.rpartition("#row-")[2]
    await expect(page.locator(f"#row-{run} .status")).to_have_text(one.say("unknown"))
    await one.reads()
    await one.button("Ask the provider now").click()
    await expect(page.locator(f"#row-{run} .status")).to_have_text(one.say("ready"), timeout=30_000)
    await one.reads()
    return run


async def _puts_it_into_service(one: Owner, run: str) -> str:
    page = one.page
    assert await page.evaluate("seen.at(0)") == one.say("unknown")
    await one.is_next("Press ▶")
    await page.locator("[aria-current=step] a").click()
    await page.locator(f"#activate-{run}").click()
    await expect(page.locator(f"#row-{run} .in-service")).to_have_text(one.say("in service"))
    await one.reads()
    serves = page.locator("#serving .serves-now strong")
    await expect(serves).to_have_text(re.compile("^ft:gpt-4o-mini"))
    model = await serves.inner_text()
    assert await answers(one) == model
    await page.locator(f"#row-{run} h2 a").click()
    await expect(page.locator(".plot canvas")).to_have_count(2)
    await one.reads()
    await page.locator(".brand").click()
    await expect(page.locator(".done").last).to_contain_text(one.say("A model of your own is in service"))
    return model


async def _sees_it_go_stale(one: Owner) -> None:
    page = one.page
    await page.goto(f"{one.console.url}/agents/{AGENT}")
    await expect(page.locator(".key .tag")).to_have_text(one.say("can train"))  # a job was accepted
    await page.locator("#edit[data-htmx-powered]").wait_for()
    await page.keyboard.press("e")
    await page.locator("#prompt-text").fill(one.text["changed"])
    await one.reads()
    await one.button("SAVE").click()
    await expect(page.locator("#definition .text").first).to_have_text(one.text["changed"])
    await one.go("Trained models")
    await expect(page.locator("#serving .stale")).to_contain_text(
        one.say("The prompt has changed: the model is stale")
    )
    await one.reads()
