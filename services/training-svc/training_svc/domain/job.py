"""A job at the provider, and what it means for its run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from training_svc.domain.run import Failure, Run, needs
from training_svc.domain.wishes import after_look

STATUS = {
    "validating_files": "waiting",
    "queued": "waiting",
    "running": "training",
    "succeeded": "ready",
    "failed": "failed",
    "cancelled": "cancelled",
    "paused": "paused",
}
ENDED = frozenset({"succeeded", "failed", "cancelled"})
FAILURES = frozenset(
    {"invalid_n_examples", "invalid_file_format", "invalid_training_file", "invalid_validation_file"}
)
REASONS = (
    ("safety_check_failed", re.compile(r"safety|eval")),
    ("blocked_by_moderation", re.compile(r"moderation|policy|harm|content_filter")),
    ("credit_balance_exhausted", re.compile(r"credit|balance")),
    ("insufficient_quota", re.compile(r"quota|billing")),
    ("provider_failed", re.compile(r"server|internal|timeout|capacity")),
)
MICRO = 1_000_000
MESSAGES = (
    ("job_created", re.compile(r"^created fine-tun", re.IGNORECASE)),
    ("files_validating", re.compile(r"^validating", re.IGNORECASE)),
    ("files_validated", re.compile(r"^files validated", re.IGNORECASE)),
    ("training_started", re.compile(r"job started$", re.IGNORECASE)),
    ("step_done", re.compile(r"^step \d+", re.IGNORECASE)),
    ("checkpoint_made", re.compile(r"^checkpoint created", re.IGNORECASE)),
    ("model_made", re.compile(r"^new fine-tuned model", re.IGNORECASE)),
    ("job_paused", re.compile(r"paused$", re.IGNORECASE)),
    ("job_resumed", re.compile(r"resumed$", re.IGNORECASE)),
    ("job_completed", re.compile(r"successfully completed$", re.IGNORECASE)),
    ("job_cancelled", re.compile(r"cancelled$", re.IGNORECASE)),
)


@dataclass(frozen=True, slots=True)
class Job:
    """A fine-tuning job as the provider shows it; whatever it may leave out is None."""

    id: str
    created_at: int
    status: str
    training_file: str | None = None
    run_id: str | None = None
    model: str | None = None
    trained_tokens: int | None = None
    error_code: str | None = None
    error_param: str | None = None
    result_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line of the job's diary: never the provider's words, a code for them and the figures."""

    id: str
    at: datetime
    level: str
    code: str
    data: dict[str, Any]


def belongs(job: Job, run: Run) -> bool:
    """Tell whether a listed job is the run's: some servers ignore the filter, some drop the metadata."""
    return job.run_id == run.request.run_id or (job.training_file or "") in run.file_ids


def keep_one(jobs: Iterable[Job]) -> tuple[Job | None, list[Job]]:
    """Return the job to keep, the oldest that lives, and those to cancel."""
    ordered = sorted(jobs, key=lambda job: (job.created_at, job.id))
    living = [job for job in ordered if job.status not in {"cancelled", "failed"}] or ordered
    kept = living[0] if living else None
    return kept, [job for job in ordered if job is not kept and job.status not in ENDED]


def event_code(message: str, kind: str) -> str:
    """Return our code for a line of the job's diary."""
    if kind == "metrics":
        return "step_done"
    return next((code for code, pattern in MESSAGES if pattern.search(message)), "provider_note")


def failure_code(code: str | None) -> str:
    """Return our code for why a job failed."""
    if code in FAILURES:
        return code or ""
    return next((ours for ours, words in REASONS if code and words.search(code)), "training_failed")


def adopted(run: Run, job: Job) -> Run:
    """Return the run, with its job known from here on."""
    return replace(run, step="following", job_id=job.id, attention=None, failures=0)


def followed(run: Run, job: Job, price: int | None, now: datetime) -> Run:
    """Return the run after one look at its job; `price` in micro-dollars per million tokens.

    A state never seen before changes nothing but what is shown of it; success counts once the model is named;
    a run that has ended stays as it is.
    """
    if run.is_final:
        return run
    status = STATUS.get(job.status, run.status)
    if status == "ready" and not job.model:
        status = run.status
    ends = status in {"ready", "failed", "cancelled"}
    tokens, price = job.trained_tokens, run.price if run.price is not None else price
    asked, wish_result = after_look(run.asked, run.wish_result, status, now)
    return replace(
        run,
        status=status,
        provider_status=job.status,
        model=job.model if status == "ready" else None,
        trained_tokens=tokens,
        cost_microdollars=tokens * price // MICRO if tokens is not None and price is not None else None,
        failure=Failure(failure_code(job.error_code), job.error_param) if status == "failed" else None,
        asked=asked,
        wish_result=wish_result,
        attention=needs(run, "version_withdrawn", now).attention if run.withdrawn and not ends else None,
        checked_at=now,
        failures=0,
    )
