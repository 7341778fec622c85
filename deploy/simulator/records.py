"""What is kept: plain records, no behaviour beyond reading themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FileRecord:
    """An uploaded (or produced) file; its bytes lie in the blob folder under the id."""

    id: str
    account: str
    filename: str
    purpose: str
    bytes: int
    created_at: int
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """A file that comes in parts."""

    id: str
    account: str
    filename: str
    purpose: str
    bytes: int
    created_at: int
    expires_at: int
    status: str = "pending"
    file_id: str | None = None


@dataclass(frozen=True, slots=True)
class Stages:
    """How long each stage of a job lasts, in seconds, fixed when the job is created."""

    validating: float
    queued: float
    running: float


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a job fails: the three fields of its `error`."""

    code: str
    message: str
    param: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What the training amounts to once the files are checked."""

    examples: int
    trained_tokens: int
    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the examples."""
        return max(1, -(-self.examples // self.batch_size))

    @property
    def total_steps(self) -> int:
        """Batches in the whole training."""
        return self.steps_per_epoch * self.n_epochs


@dataclass(frozen=True, slots=True)
class Job:
    """A fine-tuning job. Its state is never stored: it follows from these times and the clock."""

    id: str
    account: str
    created_at: float
    model: str
    training_file: str
    training_filename: str
    validation_file: str | None
    suffix: str | None
    seed: int
    metadata: dict[str, str] | None
    asked: dict[str, float | int | str]
    stages: Stages
    plan: Plan
    error: Finding | None = None
    pauses: tuple[tuple[float, float | None], ...] = ()
    cancelled_at: float | None = None
    root: str | None = None
    """The base model under the fine-tuned one from which it goes on."""
    tuned_name: str = "ft:{base}:{organisation}:{suffix}:{id}"
    method: str = "supervised"

    @property
    def base(self) -> str:
        """The base model under it, also when it goes on from a fine-tuned one."""
        return self.root or self.model


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A fine-tuned model of an account."""

    id: str
    account: str
    job_id: str
    created_at: int


def job_of_json(body: Mapping[str, Any]) -> Job:
    """A job as stored."""
    return Job(
        **{
            **body,
            "stages": Stages(**body["stages"]),
            "plan": Plan(**body["plan"]),
            "error": Finding(**body["error"]) if body["error"] else None,
            "pauses": tuple((start, end) for start, end in body["pauses"]),
        }
    )
