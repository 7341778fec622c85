"""The four services' public HTTP, asked on behalf of whoever is signed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from console_svc.domain.session import Session
from console_svc.settings import ConsoleSettings

Name = Literal["dialogs", "datasets", "training", "agents"]
CONNECT, ANSWER = 2.0, 15.0
STREAM = 330.0
"""Seconds that a model may be silent: agent-svc gives an answer up before."""


@dataclass(eq=False)
class Refusal(Exception):  # noqa: N818 -- an answer, if not the one that was hoped for
    """A service said no, in the reader's language; status 503 when it gave no answer at all."""

    status: int
    code: str
    detail: str
    action: str = ""
    field_name: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    etag: str = ""
    """Which state it was refused on, where the service says so."""


class Backends:
    """Calls the services with the session's token; what they refuse is a Refusal."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self._urls: dict[Name, str] = {
            "dialogs": settings.dialog_url,
            "datasets": settings.dataset_url,
            "training": settings.training_url,
            "agents": settings.agent_url,
        }
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER, connect=CONNECT), trust_env=False, follow_redirects=False,
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=50),
        )  # fmt: skip

    async def call(
        self, session: Session, language: str, name: Name, method: str, path: str, **more: Any
    ) -> Any:
        """Return the answer's JSON, None without a body; raises Refusal."""
        answer = await self.send(session, language, name, method, path, **more)
        return answer.json() if answer.content else None

    async def send(
        self, session: Session, language: str, name: Name, method: str, path: str, **more: Any
    ) -> httpx.Response:
        """Return the answer itself, for its headers; raises Refusal."""
        headers = _headers(session, language, more)
        try:
            answer = await self._http.request(method, self._urls[name] + path, headers=headers, **more)
        except httpx.HTTPError:
            raise Refusal(503, "service_silent", "") from None
        if answer.is_success:
            return answer
        raise _refusal(answer)

    async def stream(
        self, session: Session, language: str, name: Name, method: str, path: str, **more: Any
    ) -> httpx.Response:
        """Return an answer whose body is still to come, to be passed on and closed; raises Refusal."""
        headers = _headers(session, language, more)
        asked = self._http.build_request(
            method, self._urls[name] + path, headers=headers, timeout=httpx.Timeout(STREAM, connect=CONNECT),
            **more,
        )  # fmt: skip
        try:
            answer = await self._http.send(asked, stream=True)
            if answer.is_success:
                return answer
            await answer.aread()
        except httpx.HTTPError:
            raise Refusal(503, "service_silent", "") from None
        raise _refusal(answer)

    async def close(self) -> None:
        """Let connections go."""
        await self._http.aclose()


def _headers(session: Session, language: str, more: dict[str, Any]) -> dict[str, str]:
    token = {"Authorization": f"Bearer {session.tokens.access}", "Accept-Language": language}
    given: dict[str, str] = more.pop("headers", {})
    return token | given


def _refusal(answer: httpx.Response) -> Refusal:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    known = {"type", "status", "title", "code", "detail", "action", "field"}
    return Refusal(
        answer.status_code,
        str(problem.get("code", "unreadable")),
        str(problem.get("detail", "")),
        str(problem.get("action", "")),
        str(problem.get("field", "")),
        {name: value for name, value in problem.items() if name not in known},
        answer.headers.get("ETag", ""),
    )
