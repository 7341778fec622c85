"""Signing in and out, and the language switch."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from console_svc.domain.language import COOKIE
from console_svc.domain.session import safe_path
from console_svc.inbound.guard import Cookies
from console_svc.inbound.page import page, say
from console_svc.outbound.identity import IssuerUnavailableError, SignInRefusedError
from console_svc.usecases.sign_in import MINUTES, Desk

YEAR = 365 * 24 * 3600


def add_pages(routes: APIRouter, desk: Desk, cookies: Cookies, hours: float) -> None:
    """Add the pages of signing in."""

    @routes.get("/sign-in")
    async def sign_in(request: Request, go_on: Annotated[str, Query(max_length=2_000)] = "/") -> Response:
        """Send the browser to the issuer."""
        try:
            sign_in_id, url = await desk.begin(go_on)
        except IssuerUnavailableError:
            return _refused(request, say(request, "The sign-in service gives no answer."), 503)
        response = RedirectResponse(url, 303)
        cookies.set(response, cookies.sign_in, sign_in_id, int(MINUTES * 60))
        return response

    @routes.get("/sign-in/back")
    async def back(
        request: Request,
        code: Annotated[str, Query(max_length=2_000)] = "",
        state: Annotated[str, Query(max_length=200)] = "",
    ) -> Response:
        """Take the code that the issuer sent along, and open a session."""
        try:
            opened = await desk.finish(request.cookies.get(cookies.sign_in, ""), code, state)
        except IssuerUnavailableError:
            return _refused(request, say(request, "The sign-in service gives no answer."), 503)
        except SignInRefusedError:
            return _refused(request, say(request, "The sign-in did not work."), 403)
        response = RedirectResponse(opened.go_on, 303)
        cookies.set(response, cookies.session, opened.session.id, int(hours * 3600))
        cookies.drop(response, cookies.sign_in)
        return response

    @routes.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        """End the session."""
        if request.state.session is not None:
            await desk.leave(request.state.session)
        request.state.session = None
        response = page(request, "signed_out.html")
        cookies.drop(response, cookies.session)
        return response

    @routes.post("/language")
    async def language(
        language: Annotated[str, Form(pattern="^(en|ru)$")],
        go_on: Annotated[str, Form(max_length=2_000)] = "/",
    ) -> Response:
        """Remember which language somebody reads."""
        response = RedirectResponse(safe_path(go_on), 303)
        response.set_cookie(
            COOKIE, language, max_age=YEAR, path="/", secure=cookies.secure, httponly=True, samesite="lax"
        )
        return response


def _refused(request: Request, detail: str, status: int) -> Response:
    action = say(request, "Try to sign in again.")
    return page(request, "problem.html", status, detail=detail, action=action)
