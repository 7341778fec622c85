"""An agent with a dataset of its own, in a tenant of its own, for the pages of fine-tuning and versions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from playwright.async_api import BrowserContext, Page

from tests.browser.world import FUNCTION, MODEL, PROMPT, Console, settled
from tests.harness import until

PHONE = ("Мой телефон +7 916 123-45-67, перезвоните про заказ", "Перезвоним сегодня же.")
NEAR = [
    (
        f"When do the white roses that I asked for on Sunday come to my house in the old town{end}",
        "They come at noon on Monday, as we agreed, together with the vase, the card and the ribbon.",
    )
    for end in ("?", ", please?", " then?")
]
"""Three that say nearly the same."""


@dataclass(frozen=True, slots=True)
class Garden:
    """A tenant's agent and its dataset; tenant and agent have the same name."""

    console: Console
    name: str
    dataset: str

    @property
    def url(self) -> str:
        return f"{self.console.url}/tuning/{self.name}"

    @property
    def versions(self) -> str:
        return f"{self.console.url}/versions/{self.name}"

    async def ok(self, service: str, method: str, path: str, **more: Any) -> Any:
        return await self.console.loop.ok(service, method, path, tenant=self.name, **more)

    async def data(self, method: str, path: str, **more: Any) -> Any:
        """A call about this dataset."""
        return await self.ok("dataset-svc", method, f"/v1/datasets/{self.dataset}{path}", **more)

    async def bring_in(self, *talks: tuple[str, str], state: str = "saved") -> None:
        """Examples of one question and one answer each."""
        await self.bring_in_lines(
            [
                {"messages": [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]}
                for ask, answer in talks
            ],
            state,
        )

    async def call_a_function(self, name: str) -> None:
        """An example in which a function is called."""
        call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": '{"order": "A-1"}'}}
        messages = [
            {"role": "user", "content": "And where is my order A-1 by now, please?"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "on its way"},
            {"role": "assistant", "content": "It is on its way."},
        ]
        await self.bring_in_lines([{"messages": messages}], "saved")

    async def change_agent(self, **changes: Any) -> None:
        """A new version of the agent, known to its dataset."""
        now = await self.ok("agent-svc", "GET", f"/v1/agents/{self.name}")
        fields = ("name", "prompt", "tools", "base_model", "provider")
        body = {name: now[name] for name in fields} | changes
        made = await self.ok("agent-svc", "PUT", f"/v1/agents/{self.name}", json=body)

        async def known() -> bool:
            found = await self.ok("dataset-svc", "GET", f"/v1/datasets?agent_id={self.name}")
            return bool(found["items"][0]["agent_version"] == made["version"])

        await until(known)

    async def bring_in_lines(self, lines: list[dict[str, Any]], state: str) -> None:
        """Examples as the lines of a file."""
        body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
        headers = {"Content-Type": "application/x-ndjson"}
        begun = await self.data("POST", f"/import?state={state}", content=body, headers=headers)

        async def done() -> bool:
            one = await self.ok("dataset-svc", "GET", f"/v1/operations/{begun['id']}")
            return bool(one["state"] == "done" and one["done"] == len(lines))

        await until(done)

    async def examples(self, **query: Any) -> list[dict[str, Any]]:
        found = await self.data("GET", "/examples", params={"limit": 200, **query})
        return list(found["items"])

    @asynccontextmanager
    async def person(
        self, role: str = "owner", language: str = "en", **more: Any
    ) -> AsyncIterator[tuple[Page, BrowserContext]]:
        """Somebody of this tenant, signed in, in a browser of their own."""
        options = {"locale": language, "viewport": {"width": 1280, "height": 900}} | more
        context = await self.console.browser.new_context(**options)
        context.set_default_timeout(30_000)
        try:
            page = await context.new_page()
            self.console.watch(page)
            await page.goto(self.console.url)
            await page.get_by_label("Tenant").fill(self.name)
            await page.get_by_label("Role").select_option(role)
            await page.get_by_role("button", name="Go on").click()
            await page.wait_for_url(f"{self.console.url}/**")
            yield page, context
        finally:
            await context.close()


async def garden(console: Console, name: str, *, secret: str = "") -> Garden:
    """An agent with an empty dataset, and with a key where `secret` is given."""
    loop = console.loop
    definition = {
        "name": f"Shop of {name}", "prompt": PROMPT, "tools": [FUNCTION], "base_model": MODEL,
        "provider": "openai",
    }  # fmt: skip
    await loop.ok("agent-svc", "PUT", f"/v1/agents/{name}", tenant=name, json=definition)
    if secret:
        path = f"/v1/agents/{name}/keys/openai"
        await loop.ok("agent-svc", "PUT", path, tenant=name, json={"key": secret})

    async def known() -> Any:
        found = await loop.ok("dataset-svc", "GET", f"/v1/datasets?agent_id={name}", tenant=name)
        models = await loop.ok("training-svc", "GET", f"/v1/base-models?agent_id={name}", tenant=name)
        ready = [one for one in found["items"] if one["agent_version"]]
        return ready if ready and (not secret or models["items"][0]["key"]) else None

    return Garden(console, name, (await until(known))[0]["id"])


def talks(count: int) -> list[tuple[str, str]]:
    """Questions with nothing in common but what they are about."""
    kinds = ("tulips", "roses", "asters", "lilies", "irises", "peonies", "dahlias", "violets")
    places = ("Riga", "Omsk", "Kazan", "Bergen", "Porto", "Lyon", "Tartu", "Graz", "Turku", "Delft")
    return [
        (
            f"Do you bring {kinds[one % 8]} to {places[one % 10]} for the {one + 3}th, and what is it then?",
            f"Yes: {one * 7 + 12} euros for {kinds[one % 8]}, {places[one % 10]} is {one * 13 + 40} km away.",
        )
        for one in range(count)
    ]


async def fits(console: Console, page: Page) -> None:
    """Neither axe nor the page's width may object."""
    await settled(page)
    assert await console.violations(page) == [], page.url
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url
