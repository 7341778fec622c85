"""Fine-tuning jobs: create, list, read, cancel, pause, resume, events, checkpoints."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.simulator import errors, job_requests, lifecycle, progress
from deploy.simulator.accounts import Account
from deploy.simulator.catalogue import BASE_MODELS
from deploy.simulator.fault_answers import refusal
from deploy.simulator.files import is_settled
from deploy.simulator.job_objects import job_object, settle
from deploy.simulator.poses import Pose
from deploy.simulator.posing import pose_of
from deploy.simulator.records import FileRecord, Finding, Job
from deploy.simulator.validate import Report, validate_file
from deploy.simulator.wire import Simulator, caller, integer, json_body, limit, new_id, page, simulator, text

HIGHEST_SEED = 2_147_483_647
MAX_PAGE = 100
ACTIONS = {"cancel": lifecycle.cancel, "pause": lifecycle.pause, "resume": lifecycle.resume}


async def create_job(request: Request) -> Response:
    """POST /fine_tuning/jobs."""
    account, sim, body = caller(request), simulator(request), await json_body(request)
    if account.manner == "poor":
        raise refusal("insufficient_quota")
    settle(sim, account)
    pose = pose_of(request)
    asked = _asked_job(sim, account, body, pose)
    # From here on the file may be deleted: the job has its own link to the data.
    sim.store.keep_training_data(asked.id, asked.training_file)
    report, error = await asyncio.to_thread(_check, sim, asked)
    plan = job_requests.plan(asked.asked, report.examples, report.tokens)
    job = replace(asked, created_at=sim.clock(), plan=plan, error=error)
    sim.store.add_job(job)
    return JSONResponse(job_object(job, sim.clock(), pose))


def _asked_job(sim: Simulator, account: Account, body: dict[str, Any], pose: Pose) -> Job:
    """The job as asked for, its files not yet read."""
    validation, seed = body.get("validation_file"), integer(body, "seed", 0, HIGHEST_SEED)
    asked = job_requests.hyperparameters(body, nested=pose.nested)
    model, root = _base(sim, account, text(body, "model"), pose)
    training = _training_file(sim, account, text(body, "training_file"), "training_file")
    if validation is not None:
        _training_file(sim, account, text(body, "validation_file"), "validation_file")
    return Job(
        id=new_id("ftjob-"),
        account=account.id,
        created_at=sim.clock(),
        model=model,
        training_file=training.id,
        training_filename=training.filename,
        validation_file=validation,
        suffix=job_requests.suffix(body),
        seed=secrets.randbelow(HIGHEST_SEED) if seed is None else seed,
        metadata=job_requests.metadata(body),
        asked=asked,
        stages=lifecycle.stages_at(sim.speed * account.pace),
        plan=job_requests.plan(asked, 0, 0),
        root=root,
        tuned_name=pose.tuned_name,
        method=job_requests.method(body),
    )


def _base(sim: Simulator, account: Account, name: str, pose: Pose) -> tuple[str, str | None]:
    """The model to train, and the base model under it if it is a fine-tuned one."""
    base = BASE_MODELS.get(name)
    if base is not None and base.trainable:
        return base.snapshot, None
    tuned = sim.store.model(account.id, name)
    job = sim.store.job(account.id, tuned.job_id) if tuned else None
    if job is not None and pose.own_models:
        return name, job.base
    if job is None and base is None and pose.any_model:
        return name, None
    raise errors.ApiError(
        400,
        f"Model {name} is not available for fine-tuning or does not exist.",
        param="model",
        code="model_not_available",
    )


def _training_file(sim: Simulator, account: Account, file_id: str, param: str) -> FileRecord:
    file = sim.store.file(account.id, file_id, sim.clock())
    if file is None:
        raise errors.ApiError(400, f"invalid {param}: {file_id}", param=param, code=f"invalid_{param}")
    if not is_settled(sim, file_id):
        raise errors.ApiError(
            400,
            f"The file {file_id} is pending; it must be processed first.",
            param=param,
            code="file_pending",
        )
    if file.purpose != "fine-tune":
        raise errors.wrong_value(param, f"file {file_id} has the purpose '{file.purpose}', not 'fine-tune'")
    return file


def _check(sim: Simulator, job: Job) -> tuple[Report, Finding | None]:
    report = validate_file(sim.store.blob(job.id), method=job.method)
    if report.problem or job.validation_file is None:
        return report, report.problem
    content = sim.store.blob(job.validation_file)
    return report, validate_file(content, param="validation_file", method=job.method).problem


async def list_jobs(request: Request) -> Response:
    """GET /fine_tuning/jobs with after, limit, metadata[k]=v."""
    account, sim = caller(request), simulator(request)
    settle(sim, account)
    query, now, pose = request.query_params, sim.clock(), pose_of(request)
    wanted = {
        key[9:-1]: value for key, value in query.items() if key.startswith("metadata[") and key[-1] == "]"
    }
    if pose.metadata != "filtered":
        wanted = {}
    jobs = [job for job in sim.store.jobs(account.id) if wanted.items() <= (job.metadata or {}).items()]
    if query.get("metadata") == "null":
        jobs = [job for job in jobs if not job.metadata]
    some, more = page(
        jobs, size=limit(request, 20, MAX_PAGE), after=query.get("after"), key=lambda job: job.id
    )
    return JSONResponse(
        {"object": "list", "data": [job_object(job, now, pose) for job in some], "has_more": more}
    )


def _job(request: Request) -> Job:
    account, sim, job_id = caller(request), simulator(request), request.path_params["job_id"]
    settle(sim, account)
    job = sim.store.job(account.id, job_id)
    if job is None:
        raise errors.no_job(job_id)
    return job


async def get_job(request: Request) -> Response:
    """GET /fine_tuning/jobs/{id}."""
    return JSONResponse(job_object(_job(request), simulator(request).clock(), pose_of(request)))


def control_job(action: str) -> Callable[[Request], Awaitable[Response]]:
    """POST /fine_tuning/jobs/{id}/cancel, /pause or /resume."""
    change = ACTIONS[action]

    async def control(request: Request) -> Response:
        job, sim, pose = _job(request), simulator(request), pose_of(request)
        if action != "cancel" and not pose.pauses:
            raise errors.no_route("POST", request.url.path)
        now = sim.clock()
        status = lifecycle.status(job, now)
        refused = {"pause": status == "paused", "resume": status != "paused"}.get(action, False)
        if refused or status in lifecycle.FINAL:
            raise errors.ApiError(400, f"Cannot {action} fine-tuning job {job.id}: it is {status}.")
        changed = change(job, now)
        sim.store.update_job(changed)
        return JSONResponse(job_object(changed, now, pose))

    return control


def _listed(request: Request, items: list[dict[str, object]], usual: int) -> dict[str, object]:
    some, more = page(
        items,
        size=limit(request, usual, MAX_PAGE),
        after=request.query_params.get("after"),
        key=lambda item: str(item["id"]),
    )
    return {"object": "list", "data": some, "has_more": more}


async def list_events(request: Request) -> Response:
    """GET /fine_tuning/jobs/{id}/events, newest first."""
    job, now = _job(request), simulator(request).clock()
    return JSONResponse(_listed(request, progress.events(job, now), 20))


async def list_checkpoints(request: Request) -> Response:
    """GET /fine_tuning/jobs/{id}/checkpoints, newest first."""
    job, now = _job(request), simulator(request).clock()
    if not pose_of(request).checkpoints:
        raise errors.no_route("GET", request.url.path)
    listed = _listed(request, progress.checkpoints(job, now), 10)
    some = listed["data"]
    ids = [item["id"] for item in some] if isinstance(some, list) else []
    return JSONResponse(listed | {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None})
