"""Runs as rows of the table `runs`, and back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from training_svc.domain.run import Failure, Request, Run, TrainingFile
from training_svc.domain.wishes import WishResult

SAME = (
    "base_url",
    "key_version",
    "status",
    "step",
    "asked",
    "withdrawn",
    "provider_status",
    "job_id",
    "model",
    "checkpoints",
    "progress",
    "trained_tokens",
    "cost_microdollars",
    "checked_at",
    "training_file_id",
    "validation_file_id",
    "creating_at",
    "empty_lists",
    "listed_at",
    "doubted",
    "litter",
    "epoch",
    "poll_no",
    "applied_poll",
    "failures",
    "created_at",
    "root_model",
    "price",
    "estimate",
    "finished_at",
    "files_state",
    "files_until",
    "traceparent",
)


def _failure(value: dict[str, Any] | None) -> Failure | None:
    if value is None:
        return None
    since = datetime.fromisoformat(value["since"]) if value.get("since") else None
    return Failure(value["code"], value.get("param"), since, value.get("words"))


def _wish(value: dict[str, Any] | None) -> WishResult | None:
    if value is None:
        return None
    return WishResult(value["asked"], value["outcome"], datetime.fromisoformat(value["at"]))


def failure_row(value: Failure | None) -> dict[str, Any] | None:
    """Return a failure as it is stored."""
    return asdict(value) if value else None


def wish_row(value: WishResult | None) -> dict[str, Any] | None:
    """Return the result of a wish as it is stored."""
    return asdict(value) if value else None


def _request(value: dict[str, Any]) -> Request:
    files = {
        name: TrainingFile(**value[name]) if value[name] else None for name in ("training", "validation")
    }
    return Request(**{**value, **files})


def read_run(row: Any) -> Run:
    """Return the run of a row of `runs`."""
    return Run(
        request=_request(row["request"]),
        attention=_failure(row["attention"]),
        failure=_failure(row["failure"]),
        wish_result=_wish(row["wish_result"]),
        parent_run_id=str(row["parent_run_id"]) if row["parent_run_id"] else None,
        **{name: row[name] for name in SAME},
    )
