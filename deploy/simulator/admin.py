"""The admin path, off by default: faults, the ledger of jobs, counts of requests, webhooks."""

import math
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deploy.simulator import errors, lifecycle, webhooks
from deploy.simulator.accounts import Account
from deploy.simulator.faults import USUALLY, Fault, FaultBox
from deploy.simulator.wire import json_body, simulator

NUMBERS = ("retry_after", "seconds", "chance")
FIELDS = frozenset({"match", "fault", "times", "when", "state", *NUMBERS})


def _box(request: Request) -> FaultBox:
    found = request.app.state.faults
    if not isinstance(found, FaultBox):
        raise TypeError("the application has no fault box")
    return found


def read_fault(body: dict[str, Any]) -> Fault:
    """A fault as asked for; a mistake in it is refused rather than ignored."""
    name, match, unknown = body.get("fault"), body.get("match", {}), sorted(set(body) - FIELDS)
    if unknown:
        raise errors.wrong_value(unknown[0], f"no such field; known: {sorted(FIELDS)}")
    if name not in USUALLY:
        raise errors.wrong_value("fault", f"must be one of {sorted(USUALLY)}")
    if not isinstance(match, dict) or set(match) - {"key", "path", "method"}:
        raise errors.wrong_value("match", "may hold key, path (with * for anything) and method")
    times = body.get("times", 1)
    if times is not None and (type(times) is not int or times < 1):
        raise errors.wrong_value("times", "must be a positive integer, or null for ever")
    method, path = USUALLY[name]
    if "path" in match:
        method, path = None, match["path"]
    # A hang holds the answer back after the work is done: that is when a retry starts a second job.
    when = body.get("when", "after" if name == "hang" else "before")
    if when not in ("before", "after"):
        raise errors.wrong_value("when", "must be 'before' or 'after' the request takes effect")
    for number in NUMBERS:
        value = body.get(number)
        if value is not None and not (isinstance(value, int | float) and 0 <= value < math.inf):
            raise errors.wrong_value(number, "must be a number of seconds")
    settings = {key: body[key] for key in (*NUMBERS, "state") if body.get(key) is not None}
    return Fault(name, match.get("key"), match.get("method", method), path, times, when, **settings)


def _shown(fault: Fault) -> dict[str, object]:
    match = {"key": f"…{fault.key[-4:]}" if fault.key else None, "method": fault.method, "path": fault.path}
    return {"fault": fault.name, "match": match, "times": fault.times, "when": fault.when}


async def add_fault(request: Request) -> Response:
    """POST /_admin/faults."""
    fault = read_fault(await json_body(request))
    _box(request).faults.append(fault)
    return JSONResponse(_shown(fault), status_code=201)


async def list_faults(request: Request) -> Response:
    """GET /_admin/faults: those still in force."""
    return JSONResponse({"faults": [_shown(f) for f in _box(request).faults if f.times != 0]})


async def clear_faults(request: Request) -> Response:
    """DELETE /_admin/faults."""
    _box(request).faults.clear()
    return Response(status_code=204)


async def list_ledger(request: Request) -> Response:
    """GET /_admin/jobs: every job ever created, of every account, oldest first."""
    sim = simulator(request)
    now = sim.clock()
    jobs = [
        {
            "id": job.id,
            "organization_id": Account(job.account).organisation,
            "model": job.model,
            "metadata": job.metadata,
            "training_file": job.training_file,
            "training_file_name": job.training_filename,
            "created_at": job.created_at,
            "status": lifecycle.status(job, now),
        }
        for job in reversed(sim.store.jobs(None))
    ]
    return JSONResponse({"jobs": jobs})


async def list_files(request: Request) -> Response:
    """GET /_admin/files: the training files that lie here, of every account."""
    found = simulator(request).store.all_files("fine-tune")
    return JSONResponse({"files": [{"id": one.id, "filename": one.filename} for one in found]})


async def list_requests(request: Request) -> Response:
    """GET /_admin/requests: how often each call was made since the start."""
    return JSONResponse({"requests": dict(sorted(_box(request).requests.items()))})


ROUTES = [
    Route("/_admin/faults", add_fault, methods=["POST"]),
    Route("/_admin/faults", list_faults, methods=["GET"]),
    Route("/_admin/faults", clear_faults, methods=["DELETE"]),
    Route("/_admin/jobs", list_ledger, methods=["GET"]),
    Route("/_admin/files", list_files, methods=["GET"]),
    Route("/_admin/webhooks", webhooks.subscribe, methods=["POST"]),
    Route("/_admin/requests", list_requests, methods=["GET"]),
]
