"""The editor in a real browser: a copy is corrected, saved, taken back, and no typed word is lost."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.editor_world import CALL, TENANT, bad_dialog, editing, example, goes_on, ok, texts
from tests.browser.world import HOSTILE, Console, choose, in_each_look, settled

pytestmark = pytest.mark.asyncio(loop_scope="session")
ASKED: dict[str, Any] = {"role": "user", "content": "Where is my order? It is number 17."}
LOST: dict[str, Any] = {"role": "assistant", "content": "It is lost."}
TALK = (
    ASKED,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": '{"state": "baking"}', "tool_call_id": "c1"},
    LOST,
)


async def write(page: Page, message: str, text: str) -> None:
    """Click a message's body, write something else and keep it."""
    await page.locator(f"#m-{message} .view").first.click()
    await page.locator(f"#m-{message} > .message > form textarea").fill(text)
    await page.keyboard.press("Control+Enter")


def state(page: Page) -> Any:
    return page.locator("#cap .state")


async def test_a_bad_dialog_is_corrected_where_it_is_read(console: Console) -> None:
    await bad_dialog(console, "bad")
    async with console.person("owner", "ru", TENANT) as (page, _):
        await page.goto(f"{console.url}/dialogs/bad?q=заказ")
        await page.get_by_role("button", name="В датасет").click()
        await expect(state(page)).to_contain_text("учит 0 ответам из 3")
        await expect(page.locator("[data-row]")).to_have_count(1)  # the list stays beside it
        await page.get_by_role("button", name="СОХРАНИТЬ").click()
        await expect(page.locator("#cap .refused")).to_contain_text("Ни один ответ не учит")

        await write(page, "m3", "Заказ печётся, он будет готов через 2 часа.")
        await expect(state(page)).to_contain_text("учит 1 ответу из 3")
        await expect(page.locator("#m-m3 .tag")).to_have_text("изменено")
        await expect(page.locator("#m-m3")).to_be_focused()
        await page.locator("#m-m5").get_by_role("button", name="Удалить сообщение").click()
        await page.locator("#m-m4").get_by_role("button", name="Удалить сообщение").click()
        await expect(page.locator("[data-message]")).to_have_count(4)

        await page.locator("#m-m0 .view").first.click()
        for _ in range(3):
            await page.keyboard.press("Shift+ArrowLeft")
        await page.get_by_role("button", name="Это подсказка").click()
        await expect(page.locator("#m-m0 .view mark")).to_have_text("17?")
        await page.get_by_role("button", name="СОХРАНИТЬ").click()
        await expect(page.locator("#cap .refused")).to_contain_text("Подсказка осталась")
        await expect(page.locator("#m-m0")).to_be_focused()  # it is shown where
        assert await console.violations(page) == []
        await page.locator("#m-m0 .view mark").click()
        await expect(page.locator("#m-m0 .now")).to_have_text("Где мой заказ")

        await page.reload()  # the copy is still open
        await page.locator("#editor[data-htmx-powered]").wait_for()
        await page.keyboard.press("s")
        await expect(state(page)).to_contain_text("В датасете")
        await expect(page.locator("[data-row] .cap-mark")).to_have_class(re.compile("is-in"))
        await page.get_by_role("button", name="Отменить").click()
        await expect(state(page)).to_contain_text("Открыта копия")
        await goes_on(console, "bad", "А сейчас?", "Уже везём.")
        await page.evaluate("dispatchEvent(new Event('focus'))")
        await expect(page.locator(".note-line")).to_contain_text("2 новых сообщения")
        await page.get_by_role("button", name="Добавить в копию").click()
        await expect(page.locator("[data-message]").last).to_contain_text("Уже везём.")
        await page.get_by_role("link", name="Сам диалог").click()
        await expect(page.locator("#reader .messages .text").first).to_have_text("Где мой заказ 17?")


async def test_arguments_are_wrong_at_their_line_and_answers_of_functions_change(console: Console) -> None:
    one = await example(console, *TALK)
    async with editing(console, one) as (page, _):
        await page.locator("#m-m1 summary").click()
        await page.get_by_role("button", name="Edit the arguments").click()
        arguments = page.get_by_label("Arguments of find_order")
        await arguments.fill('{\n  "order": 17,\n  "city" "Riga"\n}')
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#m-m1 .tag.bad")).to_have_text("Line 3")
        await expect(arguments).to_be_focused()
        await arguments.fill('{\n  "city": "Riga",\n  "order": "seventeen"\n}')
        await page.get_by_role("button", name="SAVE").click()  # sends what was typed first, and stops there
        await expect(page.locator("#m-m1 .tag.bad")).to_have_text("Line 3")
        await expect(page.locator("#m-m1 .refused")).to_contain_text("do not fit")
        await expect(arguments).to_be_focused()
        await expect(state(page)).to_contain_text("A copy is open")
        assert await console.violations(page) == []
        await arguments.fill('{\n  "city": "Riga, old town",\n  "order": 18\n}')
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#m-m1 .json.now")).to_contain_text("old town")

        await page.locator("#m-m2 .view").click()
        await page.locator("#m-m2 textarea").first.fill('{\n "state": "ready now"\n}')
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#m-m2 .tag")).to_have_text("edited")
    saved = await ok(console, "GET", f"/v1/examples/{one}")
    called = saved["messages"][1]["tool_calls"][0]["function"]["arguments"]
    assert (called, saved["messages"][2]["content"]) == (
        '{"city":"Riga, old town","order":18}',
        '{"state":"ready now"}',
    )


async def test_steps_go_back_and_forth_and_the_original_stands_beside(console: Console) -> None:
    one = await example(console, *TALK)
    async with editing(console, one) as (page, _):
        await write(page, "m3", "It is ready.")
        await expect(page.locator("#m-m3 .tag")).to_have_text("edited")
        await page.get_by_role("button", name="Original").click()
        await expect(page.locator("#m-m3 .first-form del")).to_have_text("lost")
        await expect(page.locator("#m-m3 .view ins")).to_have_text("ready")
        await page.locator("#m-m1").get_by_role("button", name="Delete the message").click()
        await expect(page.locator("#m-m2")).to_have_count(0)  # with what the function answered
        await expect(page.locator(".row-message.deleted")).to_have_count(2)
        await expect(page.locator("#m-m3")).to_be_focused()
        await page.locator("#m-m3").get_by_role("button", name="Insert a message after it").click()
        await page.locator("#m-m3 form.inserting textarea").fill("Thank you!")
        await page.get_by_role("button", name="Insert", exact=True).click()
        await expect(page.locator("[data-message]").last).to_contain_text("Thank you!")
        assert await console.violations(page) == []

        await page.reload()
        await page.locator("#editor[data-htmx-powered]").wait_for()
        for count in (2, 4):
            await page.keyboard.press("Control+z")
            await expect(page.locator("[data-message]")).to_have_count(count)
        await page.keyboard.press("Control+z")
        await expect(page.locator("#m-m3 .view")).to_contain_text("It is lost.")
        await expect(page.locator("#step-back")).to_be_disabled()
        await page.keyboard.press("Control+y")
        await expect(page.locator("#m-m3 .view")).to_contain_text("It is ready.")
        teach = page.locator("#m-m3").get_by_role("button", name="Teach this answer")
        await teach.click()
        await expect(teach).to_have_attribute("aria-pressed", "false")
        await expect(state(page)).to_contain_text("teaches 1 of 2 answers")

        await page.get_by_label("Note").fill("the order was there")
        await page.get_by_label("Tags, parted by commas").fill("orders, lost ones")
        await page.get_by_role("button", name="Keep the note").click()
        await settled(page)
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="SAVE").click()
        await expect(state(page)).to_contain_text("In the dataset")
        await page.get_by_role("button", name="Earlier revisions").click()
        await page.locator("#revisions li", has_text="The original").get_by_role("button").click()
        await expect(page.locator("#m-m3 .view")).to_contain_text("It is lost.")
        await page.get_by_role("button", name="Drop the changes").click()
        await expect(page.locator("#m-m3 .view")).to_contain_text("It is ready.")
        await page.get_by_role("button", name="Take out of the dataset").click()
        await expect(state(page)).to_contain_text("Taken out of the dataset")
        assert await page.locator("#m-m3 [data-edit]").count() == 0
        await page.get_by_role("button", name="Undo").click()
        await expect(state(page)).to_contain_text("In the dataset")
    now = await ok(console, "GET", f"/v1/examples/{one}")
    assert (now["note"], now["tags"]) == ("the order was there", ["lost ones", "orders"])


async def test_personal_data_is_replaced_or_allowed_beside_its_message(console: Console) -> None:
    said = {"role": "assistant", "content": "Call Anna on +7 921 555-35-35 or the shop on +7 812 555-11-22."}
    one = await example(console, ASKED, said, ASKED, LOST | {"content": "As you hinted, it is here."})
    async with editing(console, one) as (page, _):
        margin = page.locator("#m-m1 .margin")
        await expect(page.locator("#m-m1 .view .personal").first).to_have_text("+7 921 555-35-35")
        await margin.locator("li", has_text="555-11-22").get_by_role("button").click()
        await expect(margin.locator("li")).to_have_count(1)
        await margin.get_by_role("button", name="Replace with pseudonyms").click()
        await expect(page.locator("#m-m1 .view")).to_contain_text(
            "Call Anna on phone-1 or the shop on +7 812"
        )
        await expect(margin.locator(".finding")).to_have_count(0)
        warning = page.locator("#m-m3 .finding")
        await warning.get_by_text("Leave it as it is").click()
        await warning.get_by_label("Why").fill("the client said so")
        await warning.get_by_role("button", name="Accept").click()
        await expect(warning).to_contain_text("Accepted as it is.")
        await warning.get_by_role("button", name="Let it count again").click()
        await expect(warning).to_contain_text("Leave it as it is")


async def test_nothing_typed_is_lost_without_a_network_or_after_a_reload(console: Console) -> None:
    one = await example(console, ASKED, LOST)
    async with editing(console, one) as (page, context):
        await context.set_offline(True)
        await write(page, "m1", "It is on its way.")
        form = page.locator("#m-m1 > .message > form")
        await expect(form).to_have_attribute("data-unsent", re.compile("Not sent yet"))
        await expect(page.locator("#told")).to_contain_text("No connection")
        await expect(form.locator("textarea")).to_have_value("It is on its way.")
        assert (await texts(console, one))[1] == "It is lost."
        await context.set_offline(False)
        await expect(page.locator("#m-m1 .tag")).to_have_text("edited")
        assert (await texts(console, one))[1] == "It is on its way."

        await page.locator("#m-m1 .view").click()
        await page.keyboard.press("End")
        await page.keyboard.type(" Half a sent")
        await page.reload()
        await expect(form.locator("textarea")).to_have_value("It is on its way. Half a sent")
        assert (await texts(console, one))[1] == "It is on its way."
        await form.locator("textarea").focus()
        await page.keyboard.press("Escape")
        await expect(page.locator("#m-m1 .view")).to_be_visible()
        await page.reload()
        await page.locator("#editor[data-htmx-powered]").wait_for()
        await expect(page.locator("#m-m1 .now")).to_have_text("It is on its way.")


async def test_save_takes_along_what_was_typed_before_a_reload_or_waits_for_it(console: Console) -> None:
    one = await example(console, ASKED, LOST)
    async with editing(console, one) as (page, _):
        await page.locator("#m-m1 .view").click()
        await page.keyboard.press("End")
        await page.keyboard.type(" Or not")
        await page.reload()
        await page.locator("#editor[data-htmx-powered]").wait_for()
        form = page.locator("#m-m1 > .message > form")
        await expect(form).to_have_attribute("data-unsent", re.compile("before the page was reloaded"))
        await page.get_by_role("button", name="SAVE").click()
        await expect(state(page)).to_contain_text("In the dataset")
        saved = await ok(console, "GET", f"/v1/examples/{one}")
        assert (saved["messages"][1]["content"], saved["unsaved_changes"]) == ("It is lost. Or not", False)

        await page.get_by_role("button", name="Insert a message at the beginning").click()
        await page.keyboard.type("Hello")
        new = page.locator("[data-beginning] form")
        await page.get_by_role("button", name="Teach this answer").click()
        await page.get_by_role("button", name="SAVE").click()
        await expect(new).to_have_attribute("data-unsent", re.compile("Not inserted yet"))
        await expect(new.locator("textarea")).to_be_focused()
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("[data-message]").first).to_contain_text("Hello")
        await expect(page.locator("[data-message]").first).to_be_focused()
        await expect(new).to_be_hidden()
    assert await texts(console, one) == ["Hello", ASKED["content"], "It is lost. Or not"]


async def test_a_key_that_is_held_deletes_one_message(console: Console) -> None:
    one = await example(console, *(ASKED, LOST) * 4)
    async with editing(console, one) as (page, _):
        await page.locator("#m-m2").focus()
        await page.keyboard.down("x")
        await expect(page.locator("#m-m3")).to_be_focused()
        for _ in range(3):
            await page.keyboard.down("x")
        await page.keyboard.up("x")
        await settled(page)
        await page.keyboard.press("x")
        await expect(page.locator("#m-m4")).to_be_focused()
        await expect(page.locator("[data-message]")).to_have_count(6)


async def test_two_editors_meet_and_neither_loses_a_word(console: Console) -> None:
    one = await example(console, ASKED, LOST, ASKED, LOST)
    async with editing(console, one) as (page, _), editing(console, one, "editor") as (other, _):
        await write(other, "m1", "Gleb's words.")
        await expect(other.locator("#m-m1 .tag")).to_have_text("edited")
        await write(page, "m3", "Grace's words.")
        await expect(page.locator(".note-line")).to_contain_text("Both are kept")
        await expect(page.locator("#m-m1 .view")).to_contain_text("Gleb's words.")

        await page.locator("#m-m1 .view").click()
        await write(other, "m1", "Gleb's better words.")
        await expect(other.locator("#m-m1 .view")).to_contain_text("better")
        await page.locator("#m-m1 > .message > form textarea").fill("Grace's better words.")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#m-m1 .refused .changes")).to_contain_text("dev-editor")
        await expect(page.locator("#m-m1 .against del").first).to_have_text("Gleb")
        assert await console.violations(page) == []
        assert (await texts(console, one))[1] == "Gleb's better words."
        await page.get_by_role("button", name="Put mine over theirs").click()
        await expect(page.locator("#m-m1 .view")).to_contain_text("Grace's better words.")

        await page.locator("#m-m3 .view").click()
        await page.keyboard.type(" And more")
        await other.bring_to_front()
        await other.evaluate("dispatchEvent(new Event('focus'))")
        await expect(other.locator("#m-m1 .view")).to_contain_text("Grace's better words.")
        await other.locator("#m-m3").get_by_role("button", name="Delete the message").click()
        await expect(other.locator("#m-m3")).to_have_count(0)
        await page.bring_to_front()
        await page.evaluate("dispatchEvent(new Event('focus'))")
        await expect(page.locator("[data-lost] textarea")).to_have_value("Grace's words. And more")
        await page.get_by_role("button", name="Insert as an answer").click()
        await expect(page.locator("[data-message]").last).to_contain_text("Grace's words. And more")
    assert (await texts(console, one))[1::2] == ["Grace's better words.", "Grace's words. And more"]


async def test_what_is_typed_when_the_session_ends_is_sent_after_the_next_sign_in(console: Console) -> None:
    one = await example(console, ASKED, LOST)
    async with editing(console, one) as (page, context):
        await page.locator("#m-m1 .view").click()
        await page.locator("#m-m1 > .message > form textarea").fill("Still here.")
        away = await context.new_page()
        await away.goto(console.url)
        await away.get_by_role("button", name="Sign out").click()
        await expect(page.locator("#session-ended")).to_be_visible()
        await page.get_by_role("button", name="Later").click()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.evaluate("dispatchEvent(new Event('focus'))")  # nothing is asked by itself, and nobody
        await settled(page)
        assert asked == []
        await expect(page.locator("#session-ended")).to_be_hidden()
        await page.locator("#m-m1 > .message > form textarea").focus()
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#session-ended")).to_be_visible()
        await page.get_by_role("button", name="Later").click()
        again = await context.new_page()
        await again.goto(f"{console.url}/sign-in?go_on=/signed-in")
        await choose(again, "owner", TENANT)
        await expect(again.locator("h1")).to_have_text("You are signed in")
        await expect(page.locator("#m-m1 .tag")).to_have_text("edited")
    assert (await texts(console, one))[1] == "Still here."


async def test_the_editor_by_keyboard_only(console: Console) -> None:
    one = await example(console, *TALK)
    async with editing(console, one) as (page, _):
        await page.keyboard.press("e")
        await expect(page.locator("#m-m1")).to_be_focused()
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await expect(page.locator("#m-m3")).to_be_focused()
        await page.keyboard.press("e")
        await page.keyboard.type(" No, it is ready: xtj!")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#m-m3 .view")).to_contain_text("It is lost. No, it is ready: xtj!")
        await expect(page.locator("#m-m3")).to_be_focused()
        await page.keyboard.press("t")
        await expect(page.locator("#m-m3 .teach")).to_have_attribute("aria-pressed", "false")
        await page.keyboard.press("i")
        await page.keyboard.type("And thanks")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("[data-message]").last).to_be_focused()
        await expect(page.locator("[data-message]")).to_have_count(5)
        await page.keyboard.press("x")
        await expect(page.locator("[data-message]")).to_have_count(4)
        await expect(page.locator("#m-m3")).to_be_focused()
        await page.keyboard.press("r")
        await expect(page.locator("#m-m3 .now")).to_have_text("It is lost.")
        await page.keyboard.press("t")
        await page.keyboard.press("k")
        await expect(page.locator("#m-m2")).to_be_focused()
        await page.keyboard.press("s")
        await expect(state(page)).to_contain_text("In the dataset")
        await page.keyboard.press("e")
        await page.keyboard.press("End")
        await page.keyboard.press("Backspace")
        await page.keyboard.press("Control+s")
        await expect(page.locator("#m-m2 .refused, #m-m2 .tag")).to_be_visible()
        await expect(page.get_by_role("button", name="Undo", exact=True)).to_be_visible()


async def test_hostile_text_can_be_edited_and_stays_text(console: Console) -> None:
    hostile = HOSTILE[:400]
    one = await example(
        console, {"role": "user", "content": hostile}, {"role": "assistant", "content": HOSTILE}
    )
    async with editing(console, one, viewport={"width": 360, "height": 740}) as (page, _):
        view = page.locator("#m-m0 .view")
        await expect(view).to_contain_text("<script>alert(2)</script>")
        await expect(view.locator(".unseen").first).to_have_attribute("title", "right-to-left override")
        assert await page.locator("#editor img, #editor script").count() == 0
        await view.click()
        await page.keyboard.press("Control+End")
        await page.keyboard.type("</textarea><b>")
        await page.keyboard.press("Control+Enter")
        await expect(view).to_contain_text("</textarea><b>")
        assert await page.locator("#editor b").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert (await texts(console, one))[0] == hostile + "</textarea><b>"


async def test_a_viewer_reads_and_another_tenant_finds_nothing(console: Console) -> None:
    one = await example(console, *TALK)
    async with editing(console, one, "viewer") as (page, _):
        await page.locator("#m-m3 .view").click()
        assert await page.locator("#editor textarea, #editor form, #m-m3 button, #cap button").count() == 0
        refused = await page.evaluate(
            """(id) => fetch(`/examples/${id}/text`, {method: "POST",
                body: new URLSearchParams({version: 1, message_id: "m3", text: "mine"}),
                headers: {"X-Page-Token": document.body.dataset.pageToken}})
                .then((answer) => answer.status)""",
            one,
        )
        assert refused == 403
    assert (await texts(console, one))[3] == "It is lost."
    async with console.person("olga") as (page, _):
        for path in (f"/examples/{one}", f"/examples/{one}/part", f"/examples/{one}/revisions"):
            answer = await page.goto(console.url + path)
            assert answer is not None
            assert answer.status == 404, path
            assert "It is lost." not in await page.content()


@in_each_look
async def test_the_editor_is_accessible_and_fits(console: Console, options: dict[str, Any]) -> None:
    said = {"role": "assistant", "content": "Call +7 921 555-35-35, as you hinted <|end|>."}
    one = await example(console, *TALK, ASKED, said)
    hint = {"op": "hint", "message_id": "m0", "hint": [{"start": 6, "end": 8}]}
    headers = {"If-Match": '"1"'}
    await ok(console, "PATCH", f"/v1/examples/{one}", json={"operations": [hint]}, headers=headers)
    async with editing(console, one, **options) as (page, _):
        for keys in ("", "o", "ee"):
            for key in keys:
                await page.keyboard.press(key)
            assert await console.violations(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_service_that_is_down_takes_no_word_away(console: Console) -> None:
    one = await example(console, ASKED, LOST)
    datasets = console.loop.services["dataset-svc"]
    async with editing(console, one) as (page, _):
        assert await asyncio.to_thread(datasets.stop) == 0
        try:
            await write(page, "m1", "Still mine.")
            form = page.locator("#m-m1 > .message > form")
            await expect(form).to_have_attribute("data-unsent", re.compile("Not sent yet"))
            await page.locator("#m-m0").get_by_role("button", name="Delete the message").click()
            await expect(page.locator("#editor-told")).to_contain_text("its service gives no answer")
            await expect(form.locator("textarea")).to_have_value("Still mine.")
        finally:
            datasets.start()
            await datasets.ready()
        await page.evaluate("dispatchEvent(new Event('focus'))")
        await expect(page.locator("#m-m1 .now")).to_have_text("Still mine.")
    assert await texts(console, one) == [ASKED["content"], "Still mine."]
