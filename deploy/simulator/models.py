"""Models: the provider's base models and the account's fine-tuned ones."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.simulator import errors, progress
from deploy.simulator.accounts import Account
from deploy.simulator.catalogue import BASE_MODELS, CREATED, BaseModel
from deploy.simulator.job_objects import settle
from deploy.simulator.records import Job, ModelRecord
from deploy.simulator.wire import Simulator, caller, simulator


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model that the account may use; `job` is None for a base model."""

    name: str
    base: str
    job: Job | None = None


def _base_object(model: BaseModel) -> dict[str, object]:
    return {
        "object": "model",
        "id": model.id,
        "created": CREATED,
        "owned_by": "system",
        "shutdown_date": model.shutdown_date,
    }


def _tuned_object(sim: Simulator, model: ModelRecord) -> dict[str, object]:
    job = sim.store.job(model.account, model.job_id)
    base = BASE_MODELS.get(job.base) if job else None
    return {
        "object": "model",
        "id": model.id,
        "created": model.created_at,
        "owned_by": Account(model.account).organisation,
        "shutdown_date": base.shutdown_date if base else None,
    }


def find_model(sim: Simulator, account: Account, name: str, *, any_model: bool = False) -> FoundModel:
    """A model by its name, a checkpoint's included; raises `model_not_found`.

    With `any_model` every other name is a base model.
    """
    if name in BASE_MODELS:
        return FoundModel(name, BASE_MODELS[name].snapshot)
    settle(sim, account)
    plain, _, step = name.partition(":ckpt-step-")
    record = sim.store.model(account.id, plain)
    job = sim.store.job(account.id, record.job_id) if record else None
    if job is None and any_model:
        return FoundModel(name, name)
    if job is None or (step and step not in map(str, progress.checkpoint_steps(job))):
        raise errors.no_model(name)
    return FoundModel(name, job.base, job)


async def list_models(request: Request) -> Response:
    """GET /models."""
    account, sim = caller(request), simulator(request)
    settle(sim, account)
    tuned = [_tuned_object(sim, model) for model in sim.store.models(account.id)]
    body = {"object": "list", "data": [*map(_base_object, BASE_MODELS.values()), *tuned]}
    return JSONResponse(body, headers={"openai-organization": account.organisation})


async def get_model(request: Request) -> Response:
    """GET /models/{model}."""
    account, sim, name = caller(request), simulator(request), request.path_params["model"]
    if name in BASE_MODELS:
        return JSONResponse(_base_object(BASE_MODELS[name]))
    found = find_model(sim, account, name)
    record = sim.store.model(account.id, name.partition(":ckpt-step-")[0])
    if record is None:
        raise errors.no_model(name)
    return JSONResponse(_tuned_object(sim, record) | {"id": found.name})


async def delete_model(request: Request) -> Response:
    """DELETE /models/{model}: fine-tuned models only."""
    account, sim, name = caller(request), simulator(request), request.path_params["model"]
    settle(sim, account)
    if name in BASE_MODELS:
        raise errors.ApiError(403, "You have insufficient permissions for this operation.")
    if sim.store.model(account.id, name) is None:
        raise errors.no_model(name)
    sim.store.delete_model(name)
    return JSONResponse({"id": name, "object": "model", "deleted": True})
