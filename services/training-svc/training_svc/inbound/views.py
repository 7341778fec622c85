"""What HTTP answers show, in the caller's language."""

from __future__ import annotations

from typing import Any

from training_svc.domain.diary import DIARY, WISH_RESULTS
from training_svc.domain.run import Failure, Run
from training_svc.domain.texts import explain
from training_svc.domain.wishes import WishResult
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
        "seed": request.seed,
        "method": request.method,
        "budget_microdollars": request.budget_microdollars,
        "estimate": run.estimate,
        "root_model": run.root_model,
        "parent_run_id": run.parent_run_id,
        "wish_result": _wish_result(run.wish_result, language),
        "provider_files": {
            "state": run.files_state,
            "until": run.files_until.isoformat() if run.files_until else None,
        },
        "created_at": run.created_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
    }


def _wish_result(result: WishResult | None, language: str) -> dict[str, Any] | None:
    if result is None:
        return None
    text = WISH_RESULTS[result.outcome].in_language(language)
    return {"asked": result.asked, "outcome": result.outcome, "message": text, "at": result.at.isoformat()}


def _problem(failure: Failure | None, language: str) -> dict[str, Any] | None:
    if failure is None:
        return None
    message, action = explain(failure)
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
