"""A provider that answers at once, and a client that asks it: `python -m tests.bench._upstream PORT`."""

from __future__ import annotations

import json
import sys
import time
from uuid import uuid4

import aiohttp
from aiohttp import web

TEXT = "Your order left the warehouse this morning and arrives on Thursday. " * 4
PIECES = 20
ASKED = {
    "model": "agent:shop",
    "messages": [
        {"role": "system", "content": "You answer for a shop. " * 40},
        {"role": "user", "content": "Where is my order 4711?"},
    ],
}


def _chunk(delta: dict[str, str], end: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": end}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


WHOLE = json.dumps(
    {
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 200, "completion_tokens": 60, "total_tokens": 260},
    }
).encode()  # fmt: skip
STREAM = [
    _chunk({"role": "assistant", "content": ""}),
    *(_chunk({"content": TEXT[n::PIECES]}) for n in range(PIECES)),
    _chunk({}, "stop"),
    b"data: [DONE]\n\n",
]


async def _complete(request: web.Request) -> web.StreamResponse:
    if not (await request.json()).get("stream"):
        return web.Response(body=WHOLE, content_type="application/json")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for piece in STREAM:
        await response.write(piece)
    return response


async def ask(
    session: aiohttp.ClientSession, url: str, headers: dict[str, str], *, stream: bool
) -> tuple[float, float]:
    """Seconds to the first byte of the answer's body, and to its last."""
    named = headers | {"X-Dialog-Id": uuid4().hex}  # as the chat backend sends it
    began = time.perf_counter()
    async with session.post(
        f"{url}/v1/chat/completions", json={**ASKED, "stream": stream}, headers=named
    ) as answer:
        first = await answer.content.readany()
        at = time.perf_counter()
        rest = await answer.read()
        ended = time.perf_counter()
        if answer.status != 200 or not first + rest:
            raise RuntimeError(f"{url}: {answer.status} {(first + rest)[:300]!r}")
    return at - began, ended - began


def main() -> None:
    """Serve until ended."""
    import uvloop

    uvloop.install()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", _complete)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
