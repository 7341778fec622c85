"""Faults on request: ASGI middleware around the API, present only with the admin path."""

import asyncio
import base64
import fnmatch
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.simulator.accounts import bearer
from deploy.simulator.fault_answers import REFUSALS, refusal

JOBS = "/v1/fine_tuning/jobs"
TRANSPORT = "mortarboard.transport"
_ID = re.compile(r"(?<=/)(?:file-|ftjob-|upload_|ft:)[^/]+")
# What each fault meets when its match names no path: (method or None, path pattern).
USUALLY: dict[str, tuple[str | None, str]] = {
    **dict.fromkeys([*REFUSALS, "hang", "connection_dropped"], (None, "/v1/*")),
    "answer_lost_after_create": ("POST", JOBS),
    "training_not_available": ("POST", JOBS),
    "missing_scope": ("POST", "/v1/files"),
    "model_not_ready": ("POST", "/v1/chat/completions"),
    "unknown_state": (None, JOBS + "*"),
    "empty_error_object": (None, JOBS + "*"),
    "null_error_fields": (None, JOBS + "*"),
    "metadata_filter_ignored": ("GET", JOBS),
    "result_file_base64": ("GET", "/v1/files/*/content"),
}


@dataclass(slots=True)
class Fault:
    """One fault: whom it meets and how often (None: until removed)."""

    name: str
    key: str | None
    method: str | None
    path: str
    times: int | None = 1
    when: Literal["before", "after"] = "before"
    retry_after: float | None = None
    seconds: float = 3600.0
    state: str = "awaiting_capacity"
    chance: float = 1.0

    def meets(self, key: str | None, method: str, path: str) -> bool:
        """Whether a request is met."""
        return (
            self.times != 0
            and self.key in (None, key)
            and self.method in (None, method)
            and fnmatch.fnmatchcase(path, self.path)
            and (self.chance >= 1 or random.random() < self.chance)  # noqa: S311 - no secret
        )


@dataclass(slots=True)
class FaultBox:
    """The faults in force and the count of requests."""

    faults: list[Fault] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)

    def take(self, key: str | None, method: str, path: str) -> Fault | None:
        """The first fault that meets a request, used up by one."""
        for fault in self.faults:
            if fault.meets(key, method, path):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None


class FaultMiddleware:
    """Lets each request meet at most one fault."""

    def __init__(self, app: ASGIApp, box: FaultBox) -> None:
        self.app = app
        self.box = box

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        self.box.requests[f"{method} {_ID.sub('{id}', path)}"] += 1
        key = bearer(dict(scope["headers"]).get(b"authorization", b"").decode("latin-1"))
        fault = self.box.take(key, method, path)
        if fault is None:
            await self.app(scope, receive, send)
        elif fault.name == "metadata_filter_ignored":
            await self.app(_without_metadata(scope), receive, send)
        elif fault.name in _REWRITES:
            await _replay(_REWRITES[fault.name](fault, await self._run(scope, receive)), send)
        else:
            await self._disturb(fault, scope, receive, send)

    async def _disturb(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        after = fault.when == "after" or fault.name == "answer_lost_after_create"
        messages = await self._run(scope, receive) if after else None
        if fault.name in ("answer_lost_after_create", "connection_dropped"):
            await _drop(scope, receive)
        elif fault.name == "hang":
            await asyncio.sleep(fault.seconds)
            await (_replay(messages, send) if messages else self.app(scope, receive, send))
        else:
            error = refusal(fault.name, retry_after=fault.retry_after)
            answer = JSONResponse(error.body(), status_code=error.status, headers=error.headers)
            await answer(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive) -> list[Message]:
        """The application's whole answer, kept back."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        return messages


async def _drop(scope: Scope, receive: Receive) -> None:
    """Close the connection without a word, and wait until the server has seen it closed."""
    scope[TRANSPORT].abort()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _replay(messages: Iterable[Message], send: Send) -> None:
    for message in messages:
        await send(message)


def _without_metadata(scope: Scope) -> Scope:
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    kept = [(name, value) for name, value in query if not name.startswith("metadata")]
    return {**scope, "query_string": urlencode(kept).encode()}


def _with_body(messages: list[Message], change: Callable[[bytes], bytes]) -> list[Message]:
    start = next(m for m in messages if m["type"] == "http.response.start")
    if start["status"] != 200:  # noqa: PLR2004 - HTTP
        return messages
    body = change(b"".join(m.get("body", b"") for m in messages if m["type"] == "http.response.body"))
    headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
    headers.append((b"content-length", str(len(body)).encode()))
    return [{**start, "headers": headers}, {"type": "http.response.body", "body": body}]


def _change_jobs(messages: list[Message], changes: dict[str, Any]) -> list[Message]:
    def change(body: bytes) -> bytes:
        try:
            answer = json.loads(body)
        except ValueError:
            return body  # the content of a file
        for job in answer.get("data", [answer]):
            if job.get("object") == "fine_tuning.job":
                job.update(changes)
        return json.dumps(answer).encode()

    return _with_body(messages, change)


_REWRITES: dict[str, Callable[[Fault, list[Message]], list[Message]]] = {
    "unknown_state": lambda fault, messages: _change_jobs(messages, {"status": fault.state}),
    "empty_error_object": lambda _, messages: _change_jobs(messages, {"error": {}}),
    "null_error_fields": lambda _, messages: _change_jobs(
        messages, {"error": {"code": None, "message": None, "param": None}}
    ),
    "result_file_base64": lambda _, messages: _with_body(messages, base64.b64encode),
}
