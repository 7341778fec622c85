"""How HTTP shows models: where they came from, what they cost, where they serve; and two side by side."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from chassis.catalogue import Catalogue
from training_svc.domain.run import Run
from training_svc.outbound.agent_store import Agent
from training_svc.outbound.model_store import Model
from training_svc.usecases.read_models import KnownModel


def model_view(
    model: Model, run: Run | None, route: Any, agent: Agent | None, catalogue: Catalogue, language: str
) -> dict[str, Any]:
    """Return a model, with the share of the dialogs that it serves now; a run's model has the run's id."""
    effective = ((route["effective"] or {}) if route else {}).get("targets", [])
    share = sum(one["share"] for one in effective if _is(one, model))
    base = catalogue.base_model(model.provider, model.base_model)
    provider = catalogue.provider(model.provider)
    prices = base.prices if base else None
    shown = {
        "model_id": model.model_id,
        "run_id": model.run_id,
        "kind": model.kind,
        "model": model.name,
        "step": model.step,
        "metrics": model.metrics,
        "base_model": model.base_model,
        "base_model_name": (base.name.ru if language == "ru" else base.name.en) if base else None,
        "provider": model.provider,
        "provider_name": provider.label(language) if provider else model.provider,
        "key_id": model.key_id,
        "agent_id": model.agent_id,
        "serving": share > 0,
        "share": share,
        "prices": prices.model_dump(mode="json") if prices else None,
        "shutdown": base.shutdown.isoformat() if base and base.shutdown else None,
        "created_at": model.created_at.isoformat(),
    }
    return shown | _origin(run, agent)


def _is(target: dict[str, Any], model: Model) -> bool:
    named = (target["model"], target["provider"], target["key_id"])
    return named == (model.name, model.provider, model.key_id)


def _origin(run: Run | None, agent: Agent | None) -> dict[str, Any]:
    if run is None:
        names = ("agent_version", "dataset_id", "version", "prompt_fingerprint", "parent_run_id")
        return dict.fromkeys((*names, "trained_tokens", "cost_microdollars", "estimate", "finished_at")) | {
            "prompt_changed": False
        }
    request = run.request
    return {
        "agent_version": request.agent_version,
        "dataset_id": request.dataset_id,
        "version": request.version,
        "prompt_fingerprint": request.prompt_fingerprint,
        "prompt_changed": bool(agent and agent.fingerprint != request.prompt_fingerprint),
        "parent_run_id": run.parent_run_id,
        "trained_tokens": run.trained_tokens,
        "cost_microdollars": run.cost_microdollars,
        "estimate": run.estimate,
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }


def comparison(a: KnownModel, b: KnownModel, catalogue: Catalogue, language: str) -> dict[str, Any]:
    """Return two models beside each other, what differs, and where the rest is told."""
    sides = [_side(one, catalogue, language) for one in (a, b)]
    same = {
        name: sides[0][name] == sides[1][name]
        for name in ("provider", "base_model", "dataset_id", "version", "prompt_fingerprint", "settings")
    }
    return {"a": sides[0], "b": sides[1], "same": same, "links": _links(a, b)}


def _side(known: KnownModel, catalogue: Catalogue, language: str) -> dict[str, Any]:
    shown = model_view(known.model, known.run, known.route, known.agent, catalogue, language)
    request = known.run.request if known.run else None
    settings = None
    if request is not None:
        settings = {
            "method": request.method,
            "hyperparameters": request.hyperparameters,
            "suffix": request.suffix,
            "seed": request.seed,
        }
    return shown | {
        "settings": settings,
        "examples": request.training.examples if request else None,
        "tokens": request.training.tokens if request else None,
        "final": known.figures,
    }


def _links(a: KnownModel, b: KnownModel) -> dict[str, Any]:
    """Return the calls of other services that tell the rest: services never ask each other."""
    first, second = (one.run.request if one.run else None for one in (a, b))
    diff = None
    if first and second and first.dataset_id == second.dataset_id and first.version != second.version:
        diff = f"/v1/datasets/{first.dataset_id}/versions/{first.version}/diff/{second.version}"
    agents = list(dict.fromkeys((a.model.agent_id, b.model.agent_id)))
    ask = f"/v1/agents/{quote(agents[0], safe='')}/test-dialogs"
    columns = [{"use": "model", "model": one.model.name} for one in (a, b)]
    return {
        "dataset_diff": {"service": "dataset-svc", "method": "GET", "path": diff} if diff else None,
        "ratings": [
            {
                "service": "dialog-svc",
                "method": "GET",
                "path": f"/v1/dialogs/ratings?group_by=model&agent_id={quote(agent, safe='')}",
                "models": [one.model.name for one in (a, b) if one.model.agent_id == agent],
            }
            for agent in agents
        ],
        # one test dialog with two columns; what is then said to it is asked to both
        "ask_both": {"service": "agent-svc", "method": "POST", "path": ask, "body": {"columns": columns}}
        if len(agents) == 1
        else None,
    }
