"""Trained models in a real browser: a run from its first moment to ▶ and back, live, in two languages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.browser.florist import PROMPT, TENANT, ended, make_agent, ok, teach, train
from tests.browser.world import Console, settled
from tests.harness import until

pytestmark = pytest.mark.asyncio(loop_scope="session")
AGENT, SLOW, POOR = "grower", "slow-grower", "poor-grower"
PHONE = {"width": 360, "height": 740}


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def datasets(console: Console) -> AsyncIterator[dict[str, str]]:
    """Three agents: whose trainings are quick, slow, and refused for want of money."""
    keys = {AGENT: "sk-grower-000000000001", SLOW: "sk-slow-grower-0000001", POOR: "sk-poor-grower-0000001"}
    for agent_id, secret in keys.items():
        await make_agent(console, agent_id, secret)
    made = await asyncio.gather(*(teach(console, one) for one in keys))
    yield dict(zip(keys, made, strict=True))


async def fits(console: Console, page: Page) -> None:
    """Accessible, and no wider than the screen."""
    await settled(page)
    assert await console.violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_run_is_there_at_once_becomes_ready_by_itself_and_goes_into_service(
    console: Console, datasets: dict[str, str]
) -> None:
    async with console.person("owner", "ru", tenant=TENANT) as (page, context):
        await page.goto(f"{console.url}/models/{AGENT}")
        await expect(page.locator("#runs h2")).to_have_text("Пока ничего не обучено")
        other = await context.new_page()
        console.watch(other)
        await other.goto(page.url)
        await page.evaluate(
            """() => { window.seen = []; new MutationObserver(() => {
                const now = document.querySelector(".status")?.textContent;
                if (now && seen.at(-1) !== now) seen.push(now);
            }).observe(document.getElementById("runs"), {childList: true, subtree: true}) }"""
        )
        late = {"path": "/v1/files", "method": "POST", "key": "sk-grower-000000000001"}
        console.loop.simulator.add_fault("hang", seconds=1.5, match=late, when="before")
        run = await train(console, datasets[AGENT], suffix="roses")
        for each in (page, other):
            await expect(each.locator(f"#row-{run} .status")).to_have_text("готово", timeout=30_000)
        seen = await page.evaluate("seen")
        assert (seen[0], seen[-1]) == ("неизвестно", "готово")

        await page.locator(f"#row-{run} h2 a").click()
        await expect(page.locator("h1")).to_have_text("roses")
        await expect(page.locator(".plot canvas")).to_have_count(2)
        await page.get_by_text("Таблицей").first.click()
        assert await page.locator(".curve table tbody tr").count() > 3
        await page.locator("#run").evaluate("run => run.dispatchEvent(new CustomEvent('live'))")
        await settled(page)  # what was unfolded stays so when the page reads itself again
        await expect(page.locator(".curve table").first).to_be_visible()
        await expect(page.get_by_role("link", name="версия 1", exact=True)).to_have_attribute(
            "href", f"/versions/{AGENT}/1"
        )
        await expect(page.locator(".diary")).to_contain_text("Обучение завершено")
        await expect(page.locator(".checkpoint").first).to_contain_text("шаг")
        await expect(page.locator(".facts-list")).to_contain_text("ожидается от")
        await fits(console, page)

        async with page.expect_download() as coming:
            await page.get_by_role("link", name="забрать файл").click()
        lines = (await (await coming.value).path()).read_text().splitlines()
        assert len(lines) == 11
        assert "bunch number" in lines[0]

        await page.locator(f"#activate-{run}").click()
        await expect(page.locator("#serving .serves-now")).to_contain_text("ft:gpt-4o-mini")
        await expect(page.locator("#run .in-service")).to_have_text("в работе")
        await expect(other.locator(f"#row-{run} .in-service")).to_have_text("в работе")
        await page.get_by_role("button", name="Вернуть прежнюю").click()
        await expect(page.locator("#serving .serves-now")).to_have_text(re.compile("^gpt-4o-mini"))
        await expect(other.locator(f"#row-{run} .in-service")).to_have_count(0)


async def test_two_models_are_compared_shared_out_and_traced_to_their_dialogs(
    console: Console, datasets: dict[str, str]
) -> None:
    first, second = [
        await train(console, datasets[AGENT], suffix=name, hyperparameters={"n_epochs": 2})
        for name in ("tulips", "asters")
        if await _free(console)
    ]
    assert [await ended(console, one) for one in (first, second)] == ["ready", "ready"]
    async with console.person("owner", tenant=TENANT) as (page, _):
        await page.goto(f"{console.url}/models/{AGENT}")
        titles = await page.locator("#runs h2").all_text_contents()
        assert titles[:2] == ["asters", "tulips"]
        await page.keyboard.press("j")  # a link is only stepped to: Enter opens it
        await expect(page.get_by_role("link", name="asters", exact=True)).to_be_focused()
        await page.keyboard.press("j")
        await expect(page.get_by_role("link", name="tulips", exact=True)).to_be_focused()
        assert page.url.endswith(f"/models/{AGENT}")
        await fits(console, page)
        await page.goto(f"{console.url}/models/{AGENT}/runs/{first}")
        await page.get_by_text("Share and stand-in").click()
        await page.get_by_label("Share of the dialogs").select_option("25")
        await page.get_by_label("Who answers when it fails").select_option(second)
        await page.locator(f"#activate-{first}").click()
        await expect(page.locator("#serving .serves-now")).to_have_count(2)
        await expect(page.locator("#serving")).to_contain_text("25%")
        await expect(page.locator("#serving")).to_contain_text(":asters:")

        await page.locator("#pair-b").select_option(second)
        await page.get_by_role("button", name="Compare").click()
        await expect(page.locator("h1")).to_have_text("Two models side by side")
        await expect(page.locator(".sides")).to_contain_text("n_epochs 2")
        await page.get_by_role("button", name="What their datasets differ in").click()
        await expect(page.locator("#differ h2")).to_have_text(re.compile("From version"))
        whole = page.get_by_role("link", name="All that changed, word by word")
        await expect(whole).to_have_attribute("href", re.compile(rf"/versions/{AGENT}/diff\?a=\d&b=\d"))
        await fits(console, page)
        await page.get_by_role("link", name="Ask both").click()
        await expect(page.locator("#left option:checked")).to_have_text(re.compile(":tulips:"))
        await expect(page.locator("#right option:checked")).to_have_text(re.compile(":asters:"))

        await page.goto(f"{console.url}/models/{AGENT}/runs/{first}")
        await page.get_by_role("link", name="down to each dialog").click()
        await expect(page.locator(".layer")).to_have_count(6)
        await expect(page.locator(".link[aria-current]")).to_contain_text("gpt-4o-mini")
        await fits(console, page)
        await page.locator(".layer").nth(1).locator(".link").first.click()
        await expect(page.locator(".layer").nth(1).locator(".link[aria-current]")).to_have_count(1)
        await expect(page.locator(".layer").nth(4)).to_contain_text(":tulips:")


async def _free(console: Console) -> bool:
    """No training of the agent is under way: one at a time is allowed with the same settings."""

    async def none() -> bool:
        found = await ok(console, "training-svc", "GET", f"/v1/runs?agent_id={AGENT}")
        return all(one["status"] == "ready" for one in found["items"])

    return await until(none)


async def not_read(route: Route) -> None:
    """What the page would only read again does not come; what it says is passed on."""
    await (route.abort() if route.request.method == "GET" else route.continue_())


async def test_somebody_elses_activation_meanwhile_is_a_choice(
    console: Console, datasets: dict[str, str]
) -> None:
    run = await train(console, datasets[AGENT], suffix="lilies")
    assert await ended(console, run) == "ready"
    async with console.person("owner", tenant=TENANT) as (page, _):
        await page.goto(f"{console.url}/models/{AGENT}/runs/{run}")
        await page.route("**/serving*", not_read)
        before = await ok(console, "agent-svc", "GET", f"/v1/agents/{AGENT}/route")
        body = {"expected_route_version": before["route_version"], "reason": "another person"}
        await ok(console, "training-svc", "POST", f"/v1/agents/{AGENT}/activate-base", json=body)

        async def changed() -> bool:
            now = await ok(console, "agent-svc", "GET", f"/v1/agents/{AGENT}/route")
            known = await ok(console, "training-svc", "GET", f"/v1/models?agent_id={AGENT}")
            return bool(now["route_version"] == known["route_version"] == before["route_version"] + 1)

        await until(changed)
        await page.locator(f"#activate-{run}").click()
        await expect(page.locator("#serving .refused")).to_contain_text("has changed meanwhile")
        await page.unroute("**/serving*")
        await expect(page.locator("#serving .serves-now")).to_contain_text("gpt-4o-mini-2024")
        # agent-svc decides, also where training-svc's copy of the route lags behind
        await page.locator("#seen [name=route_version]").evaluate(
            "(field) => { field.value = +field.value + 7 }"
        )
        await page.locator(f"#activate-{run}").click()
        await expect(page.locator("#serving .switching, #serving .refused")).to_have_count(1)
        await expect(page.locator("#serving .refused")).to_contain_text("Somebody else changed what serves")
        await fits(console, page)
        await page.get_by_role("button", name="Into service all the same").click()
        await expect(page.locator("#serving .serves-now")).to_contain_text(":lilies:")


async def test_a_slow_run_is_paused_goes_on_and_is_cancelled(
    console: Console, datasets: dict[str, str]
) -> None:
    run = await train(console, datasets[SLOW])
    async with console.person("owner", tenant=TENANT, color_scheme="dark") as (page, _):
        page.on("dialog", lambda asked: asyncio.ensure_future(asked.accept()))
        await page.goto(f"{console.url}/models/{SLOW}")
        await expect(page.locator(f"#row-{run} progress")).to_have_count(1)
        await fits(console, page)
        await page.keyboard.press("j")
        async with page.expect_response(lambda answer: answer.url.endswith(f"/runs/{run}/refresh")):
            await page.keyboard.press("r")  # the key of the line that one has stepped to
        await page.goto(f"{console.url}/models/{SLOW}/runs/{run}")
        await page.keyboard.press("r")  # asks the provider now
        await expect(page.locator("#run .status")).to_have_text("training")
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator("#run .status")).to_have_text("paused")
        await page.get_by_role("button", name="Go on").click()
        await expect(page.locator("#run .status")).to_have_text("training")
        await page.get_by_role("button", name="Cancel the training").click()
        await expect(page.locator("#run .status")).to_have_text("cancelled")
        await expect(page.locator("#run")).to_contain_text("The provider did what was asked.")
        await fits(console, page)


async def test_a_failed_run_says_why_and_what_to_do(console: Console, datasets: dict[str, str]) -> None:
    run = await train(console, datasets[POOR])
    assert await ended(console, run) == "failed"
    async with console.person("owner", "ru", tenant=TENANT, viewport=PHONE) as (page, _):
        await page.goto(f"{console.url}/models/{POOR}")
        await expect(page.locator(f"#row-{run} .status")).to_have_text("ошибка")
        await expect(page.locator(f"#row-{run} .refused")).to_contain_text("Пополните счёт")
        await fits(console, page)
        await page.locator(f"#row-{run} h2 a").click()
        await expect(page.locator("#run .refused")).to_contain_text("Пополните счёт")
        await fits(console, page)


async def test_a_model_is_stale_when_the_prompt_has_changed(
    console: Console, datasets: dict[str, str]
) -> None:
    run = await train(console, datasets[AGENT], suffix="stale")
    assert await ended(console, run) == "ready"
    route = await ok(console, "agent-svc", "GET", f"/v1/agents/{AGENT}/route")
    body = {"expected_route_version": route["route_version"]}
    await ok(console, "training-svc", "POST", f"/v1/models/{run}/activate", json=body)
    known = await ok(console, "agent-svc", "GET", f"/v1/agents/{AGENT}")
    fields = ("name", "tools", "base_model", "provider")
    changed = {name: known[name] for name in fields} | {"prompt": "<b>Sell</b> only cacti, and be brusque."}
    await ok(console, "agent-svc", "PUT", f"/v1/agents/{AGENT}", json=changed)
    async with console.person("owner", "ru", tenant=TENANT) as (page, _):
        await page.goto(f"{console.url}/models/{AGENT}")
        await expect(page.locator("#serving .stale")).to_contain_text("Промпт изменился: модель устарела")
        await expect(page.locator("#serving ins").first).to_contain_text("<b>")
        await page.goto(f"{console.url}/models/{AGENT}/runs/{run}")
        await page.get_by_role("button", name="что изменилось с тех пор").click()
        await expect(page.locator("#since del").first).to_be_visible()
        await fits(console, page)
    await ok(console, "agent-svc", "PUT", f"/v1/agents/{AGENT}", json=changed | {"prompt": PROMPT})


async def test_the_list_is_there_while_what_serves_is_not_known(console: Console) -> None:
    agents = console.loop.services["agent-svc"]
    assert await asyncio.to_thread(agents.stop) == 0
    try:
        async with console.person("owner", tenant=TENANT) as (page, _):
            await page.goto(f"{console.url}/models/{AGENT}")
            await expect(page.locator("#serving .refused")).to_contain_text("its service gives no answer")
            assert await page.locator("#runs .run").count() > 0
            assert await page.get_by_role("button", name="Into service").count() == 0
            await fits(console, page)
    finally:
        agents.start()
        await agents.ready()


async def test_a_viewer_looks_and_another_tenant_sees_nothing(
    console: Console, datasets: dict[str, str]
) -> None:
    found = await ok(console, "training-svc", "GET", f"/v1/runs?agent_id={AGENT}")
    run = found["items"][0]["run_id"]
    paths = (
        f"/models/{AGENT}",
        f"/models/{AGENT}/runs/{run}",
        f"/lineage/run/{run}",
        f"/lineage/version/{datasets[AGENT]}:1",
    )
    async with console.person("viewer", "ru", tenant=TENANT, viewport=PHONE) as (page, _):
        for path in paths:
            answer = await page.goto(console.url + path)
            assert answer is not None
            assert answer.status == 200, path
            assert await page.get_by_role("button", name="В работу").count() == 0
            assert await page.locator("#back, #base, #wish-cancel").count() == 0
            await fits(console, page)
    async with console.person("olga") as (page, _):
        for path in paths:
            answer = await page.goto(console.url + path)
            assert answer is not None
            assert answer.status == 404, path
