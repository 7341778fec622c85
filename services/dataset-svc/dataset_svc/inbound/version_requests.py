"""What callers may send about versions and training."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.event import BIGINT, Label, MicroDollars
from dataset_svc.domain.split import MOST
from dataset_svc.inbound.requests import Request
from dataset_svc.usecases.freeze_version import FreezeSettings
from dataset_svc.usecases.request_training import TrainSettings

Share = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]


class Train(Request):
    """Settings of a training run; budget in micro-dollars."""

    base_model: Label | None = None
    provider: Label | None = None
    hyperparameters: Annotated[
        dict[Label, bool | int | Annotated[float, Field(allow_inf_nan=False)] | Label], Field(max_length=16)
    ] = Field(default_factory=dict)
    suffix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    seed: Annotated[int, Field(ge=-BIGINT - 1, le=BIGINT)] | None = None
    budget: MicroDollars | None = None
    confirm_warnings: bool = False

    def settings(self) -> TrainSettings:
        """Return the settings."""
        return TrainSettings(**self.model_dump())


class NewVersion(Request):
    """Freeze the saved examples but the excluded, and train on them at once if wanted."""

    agent: Literal["current", "as_recorded"] = "current"
    validation_share: Share | None = None
    exclude: Annotated[list[UUID], Field(max_length=10_000)] = Field(default_factory=list)
    train: Train | None = None

    def settings(self) -> FreezeSettings:
        """Return the settings."""
        return FreezeSettings(self.agent, self.validation_share, tuple(self.exclude))


class Rebuild(Request):
    """Freeze what is left of a withdrawn version, and train on it at once if wanted."""

    train: Train | None = None
