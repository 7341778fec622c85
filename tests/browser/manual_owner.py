"""A new owner at a browser, who speaks one language; and what this owner has and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.async_api import Locator, Page, expect

from contracts.chat import ChatMessage, DialogEnded, MessagePosted
from contracts.event import Event
from tests.browser.manual_words import RUSSIAN
from tests.browser.spoken import strangers
from tests.browser.world import MODEL, Console, settled
from tests.harness import now, publish, publisher, until

AGENT = "house"
THEIRS: dict[str, dict[str, Any]] = {
    "en": {
        "name": "Flower house", "prompt": "You answer for a flower house. Be brief and kind.",
        "changed": "Sell nothing but cacti, speak of nothing else, and send everybody else away at once.",
        "good": ("What do seven tulips cost?", "Seven tulips cost twelve euros."),
        "bad": ("When do you open on Sunday?", "I do not know."), "right": "On Sunday we open at ten.",
        "asked": "Do you have white roses?", "hint": " Say that they came this morning.",
        "line": ("Do you bring {} on the {}th?", "Yes, {} come by noon on the {}th."),
        "kinds": ("asters", "lilies", "irises", "peonies", "dahlias", "violets", "orchids", "daisies",
                  "ferns"),
    },
    "ru": {
        "name": "Цветочный дом", "prompt": "Ты отвечаешь за цветочный дом. Будь краток и приветлив.",
        "changed": "Продавай одни кактусы, ни о чём другом не говори, остальных сразу отправляй прочь.",
        "good": ("Сколько стоят семь тюльпанов?", "Семь тюльпанов стоят 900 рублей."),
        "bad": ("Во сколько вы открываетесь в воскресенье?", "Я не знаю."),
        "right": "В воскресенье мы открываемся в десять.",
        "asked": "Есть ли белые розы?", "hint": " Ответь, что их привезли утром.",
        "line": ("Привезёте {} {}-го числа?", "Да, {} будут у вас к полудню {}-го."),
        "kinds": ("астры", "лилии", "ирисы", "пионы", "георгины", "фиалки", "орхидеи", "ромашки",
                  "папоротник"),
    },
}  # fmt: skip


@dataclass
class Owner:
    """A new owner at a browser, who speaks one language."""

    console: Console
    page: Page
    language: str
    tenant: str

    @property
    def text(self) -> dict[str, Any]:
        """What this owner writes."""
        return THEIRS[self.language]

    @property
    def secret(self) -> str:
        return f"sk-{self.tenant}-000000000001"

    def say(self, words: str) -> str:
        """What the page says for this, in the owner's language."""
        return RUSSIAN[words] if self.language == "ru" else words

    def button(self, words: str) -> Locator:
        return self.page.get_by_role("button", name=self.say(words), exact=True)

    async def go(self, name: str) -> None:
        """Choose a page from the head, as it is called there."""
        await self.page.get_by_role("navigation").get_by_role("link", name=self.say(name), exact=True).click()
        await settled(self.page)
        await self.reads()

    async def reads(self) -> None:
        """Everything that stands here is in the owner's language."""
        found = await strangers(self.page, self.language)
        assert not found, (self.page.url, found)

    async def is_next(self, step: str) -> None:
        """The first page names this step as the next."""
        await self.page.locator(".brand").click()
        await expect(self.page.locator("[aria-current=step] strong")).to_contain_text(self.say(step))
        await self.reads()

    async def is_answered(self) -> None:
        """The one answer of a test chat stands there whole."""
        await expect(self.page.locator(".message.assistant")).to_have_count(1)
        await expect(self.page.locator("[data-asking]")).to_have_count(0)
        await settled(self.page)

    async def ok(self, service: str, method: str, path: str, **more: Any) -> Any:
        return await self.console.loop.ok(service, method, path, tenant=self.tenant, **more)

    async def define(self) -> None:
        """The chat platform makes the agent known."""
        definition = {
            "name": self.text["name"], "prompt": self.text["prompt"], "tools": [], "base_model": MODEL,
            "provider": "openai",
        }  # fmt: skip
        await self.ok("agent-svc", "PUT", f"/v1/agents/{AGENT}", json=definition)


async def answers(one: Owner) -> str:
    """Which model answers a client of the chat platform now."""
    body = {"model": f"agent:{AGENT}", "messages": [{"role": "user", "content": one.text["asked"]}]}
    path = "/v1/chat/completions"
    answer = await one.console.loop.call("agent-svc", "POST", path, one.tenant, json=body)
    assert answer.is_success, answer.text
    return str(answer.headers["X-Model"])


async def publish_dialogs(one: Owner) -> None:
    """Two dialogs take place on the chat platform."""
    events: list[Event] = []
    for dialog in ("good", "bad"):
        for place, text in enumerate(one.text[dialog]):
            message = {"id": f"m{place}", "role": ("user", "assistant")[place], "content": text, "at": now()}
            events.append(
                MessagePosted(
                    dialog_id=dialog, agent_id=AGENT, source="live",
                    message=ChatMessage.model_validate(message),
                )
            )  # fmt: skip
        events.append(DialogEnded(dialog_id=dialog, agent_id=AGENT, at=now()))
    async with publisher(one.console.loop.surroundings) as producer:
        await publish(producer, one.console.loop.surroundings, events, tenant=one.tenant)

    async def known() -> bool:
        return bool((await one.ok("dialog-svc", "GET", "/v1/dialogs/counts"))["count"] == 2)

    await until(known)
