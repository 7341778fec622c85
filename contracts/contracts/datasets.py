"""The dataset and its frozen versions: published by dataset-svc."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from contracts.event import (
    BIGINT,
    Count,
    Event,
    Label,
    MicroDollars,
    ObjectRef,
    OpaqueId,
    Sha256,
    UuidId,
    Value,
    Version,
)

Method = Literal["supervised", "dpo"]
Hyperparameters = dict[Label, bool | int | Annotated[float, Field(allow_inf_nan=False)] | Label]


class DatasetChanged(Event):
    """A dialog is in the dataset, or no longer."""

    TYPE: ClassVar[str] = "dataset.changed.v1"
    TOPIC: ClassVar[str] = "dataset.changed"
    KEY: ClassVar[str] = "dialog_id"

    dialog_id: OpaqueId
    example_id: UuidId
    state: Literal["saved", "removed"]


class TrainingFile(ObjectRef):
    """A JSONL file of examples in the object store."""

    examples: Count
    tokens: Count


class TrainingFiles(Value):
    """What to train on and, if wanted, what to validate against."""

    training: TrainingFile
    validation: TrainingFile | None = None


class DatasetReady(Event):
    """An owner asks to train on a frozen version; one event a request."""

    TYPE: ClassVar[str] = "dataset.ready.v1"
    TOPIC: ClassVar[str] = "dataset.ready"
    KEY: ClassVar[str] = "agent_id"

    run_id: UuidId
    dataset_id: UuidId
    version: Version
    agent_id: OpaqueId
    agent_version: Version
    base_model: Label
    provider: Label
    key_id: UuidId
    method: Method
    files: TrainingFiles
    prompt_fingerprint: Sha256
    hyperparameters: Hyperparameters
    suffix: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    seed: Annotated[int, Field(ge=-BIGINT - 1, le=BIGINT)] | None = None
    budget_microdollars: MicroDollars | None = None


class DatasetWithdrawn(Event):
    """A frozen version must no longer be trained on: a dialog in it was erased."""

    TYPE: ClassVar[str] = "dataset.withdrawn.v1"
    TOPIC: ClassVar[str] = "dataset.ready"
    KEY: ClassVar[str] = "agent_id"

    agent_id: OpaqueId
    dataset_id: UuidId
    version: Version
    reason: Literal["erased"]
    erasure_ids: tuple[UuidId, ...] = ()
    """The erasures (`dialog.erased`) that took something out of it."""
