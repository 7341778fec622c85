"""What nobody types but somebody sends: every page and part answers it in words, and none fails."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.florist import TENANT, ended, make_agent, ok, teach, train
from tests.browser.world import Console, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")
AGENT = "odd-grower"
NOBODY = "00000000-0000-7000-8000-000000000000"
LONG = "ft:elsewhere-" + "x" * 90


async def test_odd_requests_are_answered_in_words(console: Console) -> None:
    await make_agent(console, AGENT, "sk-odd-grower-00000001")
    tuning, versions, models = (f"/{page}/{AGENT}" for page in ("tuning", "versions", "models"))
    asked: list[tuple[str, dict[str, str] | None, int, str]] = [
        ("/versions/nope", None, 404, "There is no such agent"),
        (f"/chats/{AGENT}/{NOBODY}", None, 404, "There is no such test dialog"),
        ("/lineage/dialog/%2E%2E", None, 404, "There is no such page. Go back and try again."),
        (f"{tuning}/bulk/count", {"action": "add_tags", "everything": "true"}, 200, "No tag is written"),
        (f"{tuning}/bulk", {"action": "save", "ids": NOBODY, "key": "ключ"}, 422, "cannot be asked for"),
        (f"{tuning}/bulk", {"action": "save", "ids": NOBODY, "key": "\0"}, 422, "cannot be asked for"),
        (f"{versions}/freeze", {"key": "ключ"}, 422, "cannot be asked for"),
        (f"{models}/compare?a={NOBODY}&b={NOBODY}", None, 200, "There is no such"),
    ]
    async with console.person("owner", tenant=TENANT) as (page, context):
        token = await page.evaluate("document.body.dataset.pageToken")
        headers = {"X-Page-Token": token, "Origin": console.url, "HX-Request": "true"}
        for path, form, status, words in asked:
            how: dict[str, Any] = {"method": "POST" if form else "GET", "form": form} if form else {}
            answer = await context.request.fetch(console.url + path, headers=headers, **how)
            said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", await answer.text()))
            assert (answer.status, words in said) == (status, True), (path, answer.status, said[-300:])


async def test_a_model_made_elsewhere_is_compared_with_one_that_was_trained(console: Console) -> None:
    await make_agent(console, AGENT, "sk-odd-grower-00000001")
    run = await train(console, await teach(console, AGENT), suffix="here")
    assert await ended(console, run) == "ready"
    phone = {"width": 360, "height": 740}
    async with console.person("owner", "ru", tenant=TENANT, viewport=phone) as (page, _):
        await page.goto(f"{console.url}/models/{AGENT}")
        await page.get_by_role("button", name="Добавить модель").press("Enter")
        name = page.get_by_label("Её имя у провайдера")
        await expect(name).to_be_focused()
        await name.fill(LONG)
        await page.get_by_label("Из чего сделана").fill("gpt-4o-mini-2024-07-18")
        await settled(page)
        assert await console.violations(page) == []
        await page.keyboard.press("Enter")
        await expect(page.locator("#elsewhere")).to_contain_text("Теперь в списке")
        await expect(page.locator("#elsewhere [data-focus]")).to_be_focused()
        await expect(page.locator("#runs h2", has_text=LONG)).to_have_count(1)
        await page.get_by_role("button", name="Добавить ещё одну").click()
        await page.get_by_label("Её имя у провайдера").fill(LONG)
        await page.get_by_role("button", name="Добавить в список").click()
        await expect(page.locator("#elsewhere .refused")).to_contain_text("У агента уже есть эта модель")
        await expect(page.get_by_label("Её имя у провайдера")).to_have_value(LONG)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    models = (await ok(console, "training-svc", "GET", f"/v1/models?agent_id={AGENT}"))["items"]
    (other,) = [one for one in models if one["kind"] == "registered"]
    async with console.person("owner", tenant=TENANT, viewport=phone) as (page, _):
        await page.goto(f"{console.url}/models/{AGENT}/compare?a={run}&b={other['model_id']}")
        await expect(page.locator(".sides thead")).to_contain_text(LONG)
        await expect(page.locator(".sides")).to_contain_text("here")
        nav = page.locator(".top nav [aria-current]")
        await expect(nav).to_have_text("Trained models")
        await expect(nav).to_be_in_viewport(ratio=0.9)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
