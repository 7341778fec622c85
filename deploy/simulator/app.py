"""The composition root: routes, error answers, faults, reports."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from deploy.simulator import admin, chat, errors, files, jobs, models, uploads
from deploy.simulator.accounts import authenticate
from deploy.simulator.fault_answers import refusal
from deploy.simulator.faults import FaultBox, FaultMiddleware
from deploy.simulator.posing import PoseMiddleware
from deploy.simulator.store import Store
from deploy.simulator.webhooks import Reporter
from deploy.simulator.wire import Simulator

_JOB = "/fine_tuning/jobs/{job_id}"
API = [
    Route("/files", files.create_file, methods=["POST"]),
    Route("/files", files.list_files, methods=["GET"]),
    Route("/files/{file_id}", files.get_file, methods=["GET"]),
    Route("/files/{file_id}", files.delete_file, methods=["DELETE"]),
    Route("/files/{file_id}/content", files.get_content, methods=["GET"]),
    Route("/uploads", uploads.create_upload, methods=["POST"]),
    Route("/uploads/{upload_id}/parts", uploads.add_part, methods=["POST"]),
    Route("/uploads/{upload_id}/complete", uploads.complete_upload, methods=["POST"]),
    Route("/uploads/{upload_id}/cancel", uploads.cancel_upload, methods=["POST"]),
    Route("/fine_tuning/jobs", jobs.create_job, methods=["POST"]),
    Route("/fine_tuning/jobs", jobs.list_jobs, methods=["GET"]),
    Route(_JOB, jobs.get_job, methods=["GET"]),
    Route(_JOB + "/events", jobs.list_events, methods=["GET"]),
    Route(_JOB + "/checkpoints", jobs.list_checkpoints, methods=["GET"]),
    *(Route(f"{_JOB}/{action}", jobs.control_job(action), methods=["POST"]) for action in jobs.ACTIONS),
    Route("/models", models.list_models, methods=["GET"]),
    Route("/models/{model:path}", models.get_model, methods=["GET"]),
    Route("/models/{model:path}", models.delete_model, methods=["DELETE"]),
    Route("/chat/completions", chat.create_completion, methods=["POST"]),
]


def create_app(
    state: Path, *, speed: float = 2.0, with_admin: bool = False, clock: Callable[[], float] = time.time
) -> Starlette:
    """The simulator over a state folder; `speed` divides the times of a job at speed 1."""
    store, box = Store(state), FaultBox()
    sim = Simulator(store, speed, clock)
    reporter = Reporter(sim)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        reporting = asyncio.create_task(reporter.run()) if with_admin else None
        yield
        if reporting is not None:
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
        store.close()

    app = Starlette(
        routes=[Route("/livez", _alive), Mount("/v1", routes=API), *(admin.ROUTES if with_admin else [])],
        middleware=[
            Middleware(PoseMiddleware),
            *([Middleware(FaultMiddleware, box=box)] if with_admin else []),
        ],
        exception_handlers={
            errors.ApiError: _api_error,
            HTTPException: _no_route,
            ClientDisconnect: _gone,
            Exception: _broken,
        },
        lifespan=lifespan,
    )
    app.state.simulator = sim
    app.state.reporter = reporter
    app.state.faults = box
    app.state.memories = chat.Memories()
    return app


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _answer(error: errors.ApiError) -> Response:
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


async def _api_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, errors.ApiError):
        raise error
    return _answer(error)


async def _gone(_: Request, __: Exception) -> Response:
    """The client went away in the middle of its request: nobody reads the answer."""
    return Response(status_code=400)


async def _broken(_: Request, __: Exception) -> Response:
    """A bug of ours: the provider's 500; the server logs the error."""
    return _answer(refusal("server_error", retry_after=None))


async def _no_route(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: an unknown path or method, a body that is not a form."""
    if not isinstance(error, HTTPException):
        raise error
    try:
        authenticate(request.headers.get("authorization"))
    except errors.ApiError as refused:
        return _answer(refused)
    if error.status_code == 400:  # noqa: PLR2004 - HTTP
        return _answer(errors.ApiError(400, error.detail))
    return _answer(errors.no_route(request.method, request.url.path))
