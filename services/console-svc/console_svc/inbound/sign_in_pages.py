"""Signing in and out, and the language switch."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from console_svc.domain.language import COOKIE
from console_svc.domain.live import Hub
from console_svc.domain.session import Session, hashed, safe_path
from console_svc.inbound.guard import Cookies
from console_svc.inbound.page import page, say
from console_svc.outbound.identity import IssuerUnavailableError, SignInRefusedError
from console_svc.usecases.sign_in import MINUTES, Desk

YEAR = 365 * 24 * 3600


def add_pages(routes: APIRouter, desk: Desk, hub: Hub, cookies: Cookies, hours: float) -> None:
    """Add the pages of signing in."""

    @routes.get("/sign-in")
    async def sign_in(request: Request, go_on: str = "/") -> Response:
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

    @routes.get("/signed-in")
    async def signed_in(request: Request) -> Response:
        """Say that one may go back to the page where the session had ended."""
        return page(request, "signed_in.html")

    @routes.get("/page-token")
    async def page_token(request: Request) -> Response:
        """Return what a page of an earlier session needs to go on, if it is the same person's."""
        session: Session = request.state.session
        return JSONResponse({"person": session.person, "page_token": session.page_token})

    @routes.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        """End the session."""
        session: Session | None = request.state.session
        if session is not None:
            await desk.leave(session)
            hub.end_session(session.tenant, hashed(session.id))
        response = RedirectResponse("/signed-out", 303)
        cookies.drop(response, cookies.session)
        return response

    @routes.get("/signed-out")
    async def signed_out(request: Request) -> Response:
        """Say that the session has ended, or go on if there is another one by now."""
        there_is_one = request.state.session is not None
        return RedirectResponse("/", 303) if there_is_one else page(request, "signed_out.html")

    @routes.post("/language")
    async def language(
        language: Annotated[str, Form(pattern="^(en|ru)$")],
        go_on: Annotated[str, Form()] = "/",
    ) -> Response:
        """Remember which language somebody reads."""
        response = RedirectResponse(safe_path(go_on), 303)
        response.set_cookie(
            COOKIE, language, max_age=YEAR, path="/", secure=cookies.secure, httponly=True, samesite="lax"
        )
        return response


def _refused(request: Request, detail: str, status: int) -> Response:
    action = say(request, "Try to sign in again.")
    return page(request, "problem.html", status, refused={"detail": detail, "action": action})
