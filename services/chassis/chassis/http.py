"""The HTTP side of a service: authorisation by one table, problem documents, limits, metrics."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BeforeValidator
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import audit
from chassis import observability as seen
from chassis.auth import Authenticator, Caller, missing_token, needs
from chassis.database import Database
from chassis.description import BEARER, PROBLEM, RESPONSES
from chassis.direct import ALWAYS
from chassis.errors import Problem, Text, describe, is_transient, where
from contracts.event import Timestamp

METHOD_NOT_ALLOWED = 405
TRY_AGAIN = Text("Try again in a moment.", "Повторите через минуту.")
FIX_FIELD = Text("Correct the field and send the request again.", "Исправьте поле и повторите запрос.")


def language(request: Request) -> str:
    """Return "ru" when the caller prefers Russian, else "en"."""
    return "ru" if request.headers.get("accept-language", "").lower().startswith("ru") else "en"


def problem_response(request: Request, problem: Problem) -> JSONResponse:
    """Return the problem document (RFC 9457) in the caller's language."""
    spoken = language(request)
    body: dict[str, Any] = {
        "type": f"urn:mortarboard:problem:{problem.code}",
        "status": problem.status,
        "code": problem.code,
        "title": problem.code.replace("_", " "),
        "detail": problem.detail.in_language(spoken),
    }
    if problem.field:
        body["field"] = problem.field
    if problem.action:
        body["action"] = problem.action.in_language(spoken)
    # also on an answer that is given outside of `Limits`: that of a fault
    headers = {name.decode(): value.decode() for name, value in ALWAYS} | problem.headers
    return JSONResponse(body | problem.extra, problem.status, headers, media_type=PROBLEM)


def invalid_input(error: RequestValidationError) -> Problem:
    """Return the 422 that names place and kind of each mistake and never repeats the input."""
    errors = [
        {
            # an unknown field's name is input too, and might be a key in the wrong place
            "field": seen.mask(".".join(str(part) for part in row["loc"]))[:200],
            "code": row["type"],
            "message": row["msg"][:200],
        }
        for row in error.errors()[:20]
    ]
    first = errors[0]["field"] if errors else ""
    return Problem(
        422,
        "invalid_input",
        Text(f"The field {first} is not acceptable.", f"Поле {first} заполнено неверно."),
        action=FIX_FIELD,
        field=first,
        errors=[{"field": row["field"], "code": row["code"]} for row in errors],
    )


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    return problem_response(request, cast(Problem, error))


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    return problem_response(request, invalid_input(cast(RequestValidationError, error)))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    status = cast(HTTPException, error).status_code
    codes = {404: "no_such_path", 405: "method_not_allowed", 413: "body_too_large"}
    texts = {413: Text("The body is too large.", "Тело запроса слишком велико.")}
    default = Text("The request cannot be served.", "Запрос нельзя выполнить.")
    problem = Problem(
        status,
        codes.get(status, "refused"),
        texts.get(status, default),
        action=Text(
            "Check method and path in the API description.", "Проверьте метод и путь по описанию API."
        ),
        headers={"Allow": ", ".join(_methods(request))} if status == METHOD_NOT_ALLOWED else {},
    )
    return problem_response(request, problem)


def _methods(request: Request) -> list[str]:
    """Return the methods that the request's path has, over all its endpoints."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, APIRoute) and route.matches(request.scope)[0] != Match.NONE:
            found |= route.methods or set()
    return sorted(found)


async def _on_error(request: Request, error: Exception) -> JSONResponse:
    transient = is_transient(error)
    seen.log().error("request_failed", path=_route(request.scope), error=describe(error), at=where(error))
    problem = Problem(
        503 if transient else 500,
        "temporarily_unavailable" if transient else "internal_error",
        Text("The service cannot answer at the moment.", "Сервис сейчас не может ответить.")
        if transient
        else Text("Something went wrong on our side.", "Что-то сломалось на нашей стороне."),
        action=TRY_AGAIN,
    )
    return problem_response(request, problem)


def _route(scope: Mapping[str, Any]) -> str:
    route = scope.get("route")
    return getattr(route, "path", "unknown")


async def refuse_nul(request: Request) -> None:
    """Refuse U+0000 in path and query: PostgreSQL's text holds every character but this one."""
    if b"%00" in request.scope["query_string"] or b"%00" in request.scope["raw_path"]:
        where_from = "query" if b"%00" in request.scope["query_string"] else "path"
        raise Problem(
            422,
            "nul_refused",
            Text(f"The {where_from} holds the character U+0000.", "В адресе запроса есть символ U+0000."),
            action=FIX_FIELD,
            field=where_from,
        )


def authorize(
    scopes: Mapping[str, str], authenticator: Authenticator
) -> Callable[[Request], Awaitable[None]]:
    """Return the dependency that lets a request through only with the scope its endpoint is listed with."""

    async def check(request: Request) -> None:
        needed = scopes[f"{request.method} {_route(request.scope)}"]
        if needed == SIGNED:
            return
        header = request.headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise missing_token()
        caller = await authenticator.caller(token.strip(), request.headers.get("x-tenant-id", ""))
        needs(caller, needed)
        request.state.caller = caller

    return check


def _current_caller(request: Request) -> Caller:
    return cast(Caller, request.state.caller)


def _written_out(value: object) -> object:
    if isinstance(value, str) and value.lstrip("+-").replace(".", "", 1).isdigit():
        raise ValueError("a time is written as 2026-01-31T12:00:00Z")
    return value


SIGNED = "signature"
"""In place of a scope: the endpoint takes no token, it checks a signature of the body itself."""

Moment = Annotated[Timestamp, BeforeValidator(_written_out)]
"""A time in a query, RFC 3339 with an offset, held in UTC.

A bare number, which pydantic takes for seconds, is refused."""

CallerDep = Annotated[Caller, Depends(_current_caller)]


def add_audit(routes: APIRouter, database: Database) -> None:
    """Add `GET /v1/audit`, which every service has."""

    @routes.get("/v1/audit")
    async def list_audit(
        caller: CallerDep, limit: Annotated[int, Query(ge=1, le=200)] = 50, cursor: UUID | None = None
    ) -> dict[str, Any]:
        """List who changed what, newest first."""
        async with database.tenant_transaction(caller.tenant) as transaction:
            found = await audit.page(transaction.connection, caller.tenant, limit + 1, cursor)
        following = found[limit - 1]["id"] if len(found) > limit else None
        return {"items": found[:limit], "next_cursor": following}


class Limits:
    """Refuses bodies over `max_body` bytes before they are read whole, and measures each request.

    `large` names the endpoints that stream more, with the most bytes that each takes.
    """

    def __init__(self, app: ASGIApp, max_body: int, large: Mapping[str, int]) -> None:
        self._app = app
        self._max_body = max_body
        self._large = large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, size = time.perf_counter(), "500", 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            endpoint = f"{scope['method']} {_route(scope)}"
            if size > self._large.get(endpoint, self._max_body):
                raise HTTPException(413)
            return message

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                given = list(message.get("headers", ()))
                names = {name.lower() for name, _ in given}
                message["headers"] = [*given, *(one for one in ALWAYS if one[0] not in names)]
            await send(message)

        try:
            await self._app(scope, limited, watched)
        finally:
            seconds = time.perf_counter() - started
            seen.http_seconds.labels(scope["method"], _route(scope), status).observe(seconds)


def http_app(
    *,
    title: str,
    router: APIRouter,
    scopes: Mapping[str, str],
    authenticator: Authenticator,
    max_body: int,
    large_bodies: Mapping[str, int] | None = None,
) -> FastAPI:
    """Return the public application; raises ValueError for an endpoint that `scopes` does not list."""
    app = FastAPI(
        title=title,
        version="v1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # a span a request; logs and inner spans would carry what the caller sent
        telemetry={"tracing": True, "operation_spans": False, "logs": False, "metrics": False},
    )
    required = [Depends(BEARER), Depends(authorize(scopes, authenticator)), Depends(refuse_nul)]
    app.include_router(router, dependencies=required, responses=RESPONSES)
    unlisted = set(endpoints(router)) ^ set(scopes)
    if unlisted:
        raise ValueError(f"endpoints and scopes differ: {sorted(unlisted)}")
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_error)
    app.add_middleware(Limits, max_body=max_body, large=large_bodies or {})
    return app


def endpoints(router: APIRouter) -> list[str]:
    """Return "METHOD /path" of every endpoint."""
    return [
        f"{method} {route.path}"
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods or ())
    ]
