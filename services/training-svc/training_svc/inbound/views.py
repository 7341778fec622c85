"""What HTTP answers show, in the caller's language."""

from __future__ import annotations

from typing import Any

from chassis.catalogue import Catalogue
from training_svc.domain.run import Failure, Run
from training_svc.domain.texts import DIARY, explain
from training_svc.outbound.agent_store import Agent
from training_svc.usecases.publish_status import snapshot


def run_view(run: Run, language: str) -> dict[str, Any]:
    """Return a run: the snapshot of training.status, with texts in the caller's language."""
    request = run.request
    return {
        **snapshot(run).model_dump(mode="json"),
        "attention": _problem(run.attention, language),
        "error": _problem(run.failure, language),
        "hyperparameters": request.hyperparameters,
        "suffix": request.suffix,
        "examples": request.training.examples,
        "tokens": request.training.tokens,
        "created_at": run.created_at.isoformat(),
    }


def _problem(failure: Failure | None, language: str) -> dict[str, Any] | None:
    if failure is None:
        return None
    message, action = explain(failure.code)
    return {
        "code": failure.code,
        "message": message.in_language(language),
        "param": failure.param,
        "action": action.in_language(language),
        "since": failure.since.isoformat() if failure.since else None,
    }


def event_view(row: Any, language: str) -> dict[str, Any]:
    """Return one line of a run's diary."""
    text = DIARY.get(row["code"], DIARY["provider_note"])
    return {
        "id": row["event_id"],
        "at": row["at"].isoformat(),
        "level": row["level"],
        "code": row["code"],
        "message": text.in_language(language),
        "data": row["data"],
    }


def model_view(run: Run, route: Any, agent: Agent | None, catalogue: Catalogue) -> dict[str, Any]:
    """Return a trained model, and with which share it serves now; its id is its run's."""
    request = run.request
    targets = ((route["effective"] or {}) if route else {}).get("targets", [])
    share = sum(target["share"] for target in targets if target["run_id"] == request.run_id)
    base = catalogue.base_model(request.provider, request.base_model)
    return {
        "model_id": request.run_id,
        "run_id": request.run_id,
        "model": run.model,
        "base_model": request.base_model,
        "provider": request.provider,
        "key_id": request.key_id,
        "agent_id": request.agent_id,
        "agent_version": request.agent_version,
        "dataset_id": request.dataset_id,
        "version": request.version,
        "prompt_changed": bool(agent and agent.fingerprint != request.prompt_fingerprint),
        "serving": share > 0,
        "share": share,
        "shutdown": base.shutdown.isoformat() if base and base.shutdown else None,
        "created_at": run.created_at.isoformat(),
    }
