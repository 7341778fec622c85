"""A training run: what was asked, what is known of it, and the rules by which that changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from training_svc.domain.wishes import WishResult, after_look

FINAL = frozenset({"ready", "failed", "cancelled"})
EMPTY_LISTS = 3


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """A file of examples in object storage; `bytes`, `examples` and `tokens` are counts."""

    uri: str
    sha256: str
    bytes: int
    examples: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Request:
    """What an owner asked for. It never changes."""

    tenant: str
    run_id: str
    dataset_id: str
    version: int
    agent_id: str
    agent_version: int
    base_model: str
    provider: str
    key_id: str
    method: str
    training: TrainingFile
    validation: TrainingFile | None
    prompt_fingerprint: str
    hyperparameters: dict[str, Any]
    suffix: str | None = None
    seed: int | None = None
    budget_microdollars: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run ended badly, or waits for its owner: a code of ours, and the field if one is at fault.

    `words` are the explanation by language where the code's own does not say all (dates, names).
    """

    code: str
    param: str | None = None
    since: datetime | None = None
    words: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as last recorded."""

    request: Request
    created_at: datetime
    base_url: str | None = None
    key_version: int | None = None
    status: str = "unknown"
    step: str = "preparing"
    asked: str | None = None
    withdrawn: bool = False
    attention: Failure | None = None
    failure: Failure | None = None
    provider_status: str | None = None
    job_id: str | None = None
    model: str | None = None
    checkpoints: list[dict[str, Any]] | None = None
    progress: dict[str, int | None] | None = None
    trained_tokens: int | None = None
    cost_microdollars: int | None = None
    checked_at: datetime | None = None
    training_file_id: str | None = None
    validation_file_id: str | None = None
    creating_at: datetime | None = None
    empty_lists: int = 0
    listed_at: datetime | None = None
    doubted: bool = False
    litter: bool = False
    epoch: int = 0
    poll_no: int = 0
    applied_poll: int = 0
    failures: int = 0
    parent_run_id: str | None = None
    root_model: str | None = None
    price: int | None = None
    estimate: dict[str, int | None] | None = None
    wish_result: WishResult | None = None
    finished_at: datetime | None = None
    files_state: str | None = None
    files_until: datetime | None = None
    traceparent: str = ""
    """The span in which it was asked for."""

    @property
    def is_final(self) -> bool:
        """Whether nothing that the provider says can change it any more."""
        return self.status in FINAL

    @property
    def file_ids(self) -> set[str]:
        """The files that its job would be trained on."""
        return {one for one in (self.training_file_id, self.validation_file_id) if one}


def must_not_start(run: Run) -> bool:
    """Tell whether a job must no longer be created for this run."""
    return run.withdrawn or run.asked == "cancel"


def given_up(run: Run, now: datetime) -> Run:
    """Return the run for which no job was created and none may be any more."""
    return failed(run, "version_withdrawn", now=now) if run.withdrawn else cancelled(run, now)


def failed(
    run: Run, code: str, param: str | None = None, *, now: datetime, words: dict[str, str] | None = None
) -> Run:
    """Return the run, ended without a model; files at the provider are left to be removed."""
    asked, result = after_look(run.asked, run.wish_result, "failed", now)
    return replace(
        run,
        status="failed",
        failure=Failure(code, param, words=words),
        attention=None,
        asked=asked,
        wish_result=result,
        litter=not run.job_id,
        failures=0,
    )


def cancelled(run: Run, now: datetime) -> Run:
    """Return the run, given up before a job was created."""
    asked, result = after_look(run.asked, run.wish_result, "cancelled", now)
    return replace(
        run, status="cancelled", attention=None, asked=asked, wish_result=result, litter=True, failures=0
    )


def ended(run: Run, now: datetime, keep_files: float) -> Run:
    """Return the run that has just ended; its files at the provider are kept for `keep_files` seconds.

    Files of a run without a job, and of an erased version, are kept no longer than it takes to delete them.
    """
    kept = keep_files if run.job_id and not run.withdrawn else 0.0
    uploaded = run.step != "preparing" or run.training_file_id is not None
    return replace(
        run,
        finished_at=now,
        files_state="kept" if uploaded else None,
        files_until=now + timedelta(seconds=kept) if uploaded else None,
    )


def needs(run: Run, code: str, now: datetime, param: str | None = None) -> Run:
    """Return the run, waiting for its owner for reason `code`; the moment it began is kept."""
    if run.attention and run.attention.code == code:
        return run
    return replace(run, attention=Failure(code, param, since=now))


def creating(run: Run, training_file: str, validation_file: str | None, now: datetime) -> Run:
    """Return the run, about to be created with these files: from here on a lost answer means doubt."""
    return replace(
        run,
        step="creating",
        training_file_id=training_file,
        validation_file_id=validation_file,
        creating_at=now,
        empty_lists=0,
        listed_at=None,
        attention=None,
        failures=0,
    )


def doubtful(run: Run) -> Run:
    """Return the run of which nobody knows whether a job was created."""
    return replace(run, step="confirming", doubted=True)


def found_none(run: Run, now: datetime, timeout: float, gap: float) -> Run:
    """Return the run after one more list without a job.

    An empty list counts once `timeout` seconds (that of a create) have passed, and `gap` after the last.
    """
    run = replace(run, attention=None, failures=0)
    if run.creating_at is not None and (now - run.creating_at).total_seconds() <= timeout:
        return run
    if run.listed_at is not None and (now - run.listed_at).total_seconds() < gap:
        return run
    return replace(run, empty_lists=run.empty_lists + 1, listed_at=now)


def surely_not_created(run: Run) -> bool:
    """Tell whether enough empty lists were seen."""
    return run.empty_lists >= EMPTY_LISTS


def file_prefix(run: Run) -> str:
    """Return what the names of all of the run's files at the provider begin with."""
    return f"{run.request.run_id}-"


def file_name(run: Run, file: TrainingFile) -> str:
    """Return the name that this epoch gives a file at the provider: `{run_id}-{epoch}-{sha16}.jsonl`."""
    return f"{file_prefix(run)}{run.epoch}-{file.sha256[:16]}.jsonl"


def is_copy_of(name: str, run: Run, file: TrainingFile) -> bool:
    """Tell whether a file at the provider is this file, uploaded under any epoch."""
    return name.startswith(file_prefix(run)) and name.endswith(f"-{file.sha256[:16]}.jsonl")
