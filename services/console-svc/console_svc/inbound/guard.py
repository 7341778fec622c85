"""Who asks, and whether a change comes from a page of ours; the headers that every answer bears."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from console_svc.domain.language import COOKIE as LANGUAGE_COOKIE
from console_svc.domain.language import preferred
from console_svc.domain.session import Session, safe_path
from console_svc.inbound.asking import on_error, said
from console_svc.inbound.page import address_of, say
from console_svc.outbound.identity import IssuerUnavailableError
from console_svc.settings import ConsoleSettings
from console_svc.usecases.sign_in import Desk

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
ENDED, STALE = "X-Session-Ended", "X-Page-Token-Stale"
"""What an open page is told: there is no session any more; there is another one than when it was loaded."""
TOKEN_HEADER, TOKEN_FIELD = "X-Page-Token", "page_token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN = ("/sign-in", "/sign-out", "/signed-out", "/static/", "/language", "/healthz")
"""What may be asked without a session; whoever signs out of one that has ended is told that it has."""
Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Cookies:
    """The names of the cookies: bound to this host and https where there is https."""

    secure: bool

    @property
    def session(self) -> str:
        """Name the session's cookie."""
        return "__Host-mortarboard" if self.secure else "mortarboard-local"

    @property
    def sign_in(self) -> str:
        """Name the cookie of a sign-in that has begun."""
        return "__Host-mortarboard-sign-in" if self.secure else "mortarboard-local-sign-in"

    def set(self, response: Response, name: str, value: str, seconds: int) -> None:
        """Set a cookie that no script can read."""
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def drop(self, response: Response, name: str) -> None:
        """Take a cookie back."""
        response.delete_cookie(name, path="/", secure=self.secure, httponly=True, samesite="lax")


class Guard:
    """Lets nobody in without a session, and no change in that another site's page asks for."""

    def __init__(self, settings: ConsoleSettings, desk: Desk) -> None:
        self.cookies = Cookies(settings.is_secure)
        self._desk = desk
        where = urlsplit(settings.public_url)
        self._origin = f"{where.scheme}://{where.netloc}"

    async def __call__(self, request: Request, following: Next) -> Response:
        """Serve one request."""
        request.state.language = preferred(
            request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", "")
        )
        is_file = request.scope["path"].startswith("/static/")  # anybody's, so nobody is looked up
        session_id = "" if is_file else request.cookies.get(self.cookies.session, "")
        request.state.session = None
        try:
            request.state.session = await self._desk.find(session_id) if session_id else None
            response = await self._answer(request, following)
        except IssuerUnavailableError:
            response = _told(request, 503, say(request, "The sign-in service gives no answer."))
        except Exception as error:
            if await request.is_disconnected():
                return Response(status_code=499)  # nobody waits for it any more
            response = on_error(request, error)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if not is_file:
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    async def _answer(self, request: Request, following: Next) -> Response:
        session: Session | None = request.state.session
        if request.method not in SAFE and not await self._comes_from_us(request, session):
            return _not_from_us(request, session)
        if session is None and not request.scope["path"].startswith(OPEN):
            return self._to_sign_in(request)
        return await following(request)

    async def _comes_from_us(self, request: Request, session: Session | None) -> bool:
        """Tell whether our origin and, of somebody signed in, the page's token come along."""
        if request.headers.get("origin") != self._origin:
            return False
        if session is None:
            return True
        given = request.headers.get(TOKEN_HEADER, "")
        if not given and request.headers.get("content-type", "").startswith(
            "application/x-www-form-urlencoded"
        ):
            await request.body()  # read once, so that whoever answers can read the form again
            given = str((await request.form()).get(TOKEN_FIELD, ""))
        return hmac.compare_digest(given.encode(), session.page_token.encode())

    def _to_sign_in(self, request: Request) -> Response:
        """Send a page to sign in and back; a part of a page is told so, and keeps what was typed."""
        is_page = request.headers.get("sec-fetch-mode", "navigate") == "navigate"
        if request.headers.get("hx-request") or not is_page or request.method not in SAFE:
            return Response("", 401, headers={ENDED: "1"})
        return RedirectResponse(f"/sign-in?go_on={quote(safe_path(address_of(request)), safe='')}", 303)


def _not_from_us(request: Request, session: Session | None) -> Response:
    """Refuse a change; an open page may only have been loaded in an earlier session."""
    response = _told(request, 403, say(request, "This change does not come from a page of the console."))
    if session is not None and request.headers.get(TOKEN_HEADER):
        response.headers[STALE] = "1"
    return response


def _told(request: Request, status: int, detail: str) -> Response:
    action = say(request, "Reload the page and try again.")
    return said(request, status, detail, action)
