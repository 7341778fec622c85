"""What an open page hears through the topics: its own tenant's changes, until session or process end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from contracts.datasets import DatasetChanged
from deploy.stack.services import Surroundings
from tests.harness import publish, publisher
from tests.integration.test_console_sign_in import console, enter

EXAMPLE = "0199b1de-7c3a-7000-8000-000000000001"


@asynccontextmanager
async def listening(client: httpx.AsyncClient) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    async with client.stream("GET", "/live", timeout=60) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        assert await anext(lines) == "retry: 2000"

        async def news() -> AsyncIterator[dict[str, Any]]:
            async for line in lines:
                if line.startswith("data: "):
                    yield json.loads(line.removeprefix("data: "))

        yield news()


def changed(dialog: str) -> DatasetChanged:
    return DatasetChanged(dialog_id=dialog, example_id=EXAMPLE, state="saved")


async def test_pages_hear_of_their_own_tenant_until_they_end(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with console(surroundings, tmp_path) as running, publisher(surroundings) as producer:
        async with (
            httpx.AsyncClient(base_url=running.url) as olga,
            httpx.AsyncClient(base_url=running.url) as grace,
        ):
            refused = await olga.get("/live", headers={"Sec-Fetch-Mode": "cors"})
            assert (refused.status_code, refused.headers["x-session-ended"]) == (401, "1")
            shown = await enter(olga, surroundings.issuer, "olga")
            await enter(grace, surroundings.issuer, "grace")
            async with listening(olga) as hers, listening(grace) as others:
                await publish(producer, surroundings, [changed("d1")], tenant="globex", sequences=[7])
                await publish(producer, surroundings, [changed("d2")], tenant="acme", sequences=[8])
                assert await anext(hers) == {"kind": "dialog", "id": "d2", "sequence": 8}
                assert await anext(others) == {"kind": "dialog", "id": "d1", "sequence": 7}

                token = shown.text.split('data-page-token="')[1].split('"')[0]
                form, origin = {"page_token": token}, {"Origin": running.url}
                assert (await olga.post("/sign-out", data=form, headers=origin)).status_code == 303
                assert (await anext(hers))["kind"] == "ended"
                assert [one async for one in hers] == []

                # a page that is open does not hold up the end of the process
                assert running.process is not None
                running.process.terminate()
                assert (await anext(others))["kind"] == "closing"
                assert await asyncio.to_thread(running.process.wait, 15) == 0
