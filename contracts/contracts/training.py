"""Runs, refused keys and models to put into service: published by training-svc."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.agents import Target, Targets
from contracts.event import (
    Count,
    Event,
    Label,
    MicroDollars,
    OpaqueId,
    Sha256,
    Text,
    Timestamp,
    UuidId,
    Value,
    Version,
)

RunStatus = Literal["unknown", "waiting", "training", "ready", "paused", "failed", "cancelled"]
RunStep = Literal["preparing", "uploading", "creating", "confirming", "following"]
Asked = Literal["cancel", "pause", "resume"]


class Attention(Value):
    """Something a person must do before the run goes on."""

    code: Label
    since: Timestamp
    action: Label | None = None


class RunError(Value):
    """Why the run failed, as a code with an explanation and what to do."""

    code: Label
    message: Text
    param: Label | None = None
    action: Label | None = None


class Progress(Value):
    """How far the provider is, in its own steps."""

    step: Count
    total_steps: Count | None = None


class Checkpoint(Value):
    """A model saved on the way, usable by its own name."""

    model: Label
    step: Count
    metrics: dict[Label, Annotated[float, Field(allow_inf_nan=False)]] | None = None


class TrainingStatus(Event):
    """A snapshot of a run; `status` is the provider's truth as last seen."""

    TYPE: ClassVar[str] = "training.status.v1"
    TOPIC: ClassVar[str] = "training.status"
    KEY: ClassVar[str] = "run_id"

    run_id: UuidId
    dataset_id: UuidId
    version: Version
    agent_id: OpaqueId
    base_model: Label
    provider: Label
    key_id: UuidId
    prompt_fingerprint: Sha256
    agent_version: Version
    status: RunStatus
    step: RunStep
    asked: Asked | None = None
    attention: Attention | None = None
    provider_status: Label | None = None
    provider_job_id: Label | None = None
    model: Label | None = None
    checkpoints: tuple[Checkpoint, ...] | None = None
    progress: Progress | None = None
    trained_tokens: Count | None = None
    cost_microdollars: MicroDollars | None = None
    error: RunError | None = None
    checked_at: Timestamp | None = None


class KeyRefused(Event):
    """The provider refused a key."""

    TYPE: ClassVar[str] = "key.refused.v1"
    TOPIC: ClassVar[str] = "training.status"
    KEY: ClassVar[str] = "key_id"

    key_id: UuidId
    version: Version
    code: Label
    param: Label | None = None
    """What is at fault beside the code: the scope that a restricted key lacks."""
    at: Timestamp


class ModelActivated(Event):
    """An owner wants these models in service, having seen this version of the route."""

    TYPE: ClassVar[str] = "model.activated.v1"
    TOPIC: ClassVar[str] = "model.activated"
    KEY: ClassVar[str] = "agent_id"

    activation_id: UuidId
    agent_id: OpaqueId
    expected_route_version: Count
    targets: Targets
    fallback: Target | None = None
    by: Label
    reason: Label
