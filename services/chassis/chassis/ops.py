"""The second port: probes, metrics, retention and the API description, for operators only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.health import Health

Retention = Callable[[], Awaitable[list[dict[str, Any]]]]


def ops_app(health: Health, public: FastAPI | None, retention: Retention | None = None) -> Starlette:
    """Return the application of the second port; what is kept is told where the workers run."""

    async def livez(_: Request) -> Response:
        problems = health.alive()
        return JSONResponse({"ok": not problems, "problems": problems}, 503 if problems else 200)

    async def readyz(_: Request) -> Response:
        problems, missing = await health.ready(), health.missing()
        answer = {"ok": not problems, "problems": problems, "missing": missing}
        return JSONResponse(answer, 503 if problems else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    async def kept(_: Request) -> Response:
        if retention is None:
            return JSONResponse({"detail": "ask a process that runs the workers"}, 404)
        return JSONResponse({"kinds": await retention()})

    routes = [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/retention", kept),
    ]
    if public is not None:
        described = public

        async def openapi(_: Request) -> Response:
            return JSONResponse(described.openapi())

        routes.append(Route("/openapi.json", openapi))
    return Starlette(routes=routes)
