"""Settings of training-svc."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chassis.settings import KeyedSettings


class TrainingSettings(KeyedSettings):
    """What training-svc needs besides what every service needs. Times in seconds."""

    service: ClassVar[str] = "training-svc"
    schema_name: ClassVar[str] = "training_svc"

    catalogue: Path = Field(..., description="the operators' providers and base models, YAML")
    drivers: int = Field(3, ge=1, le=8, description="runs that this process drives at the same time")
    followers: int = Field(
        16, ge=1, le=64, description="accounts whose runs this process looks at at the same time"
    )
    claim_every: float = Field(0.5, gt=0, description="how often drivers and followers look for what is due")
    lease_seconds: float = Field(60.0, gt=0, description="how long a silent driver keeps its run")
    provider_timeout: float = Field(60.0, gt=0, description="for one call to the provider")
    upload_timeout: float = Field(600.0, gt=0, description="for the upload of one file")
    confirm_gap: float = Field(20.0, gt=0, description="between the lists that settle a lost answer")
    follow_fast: float = Field(1.0, gt=0, description="between polls in a run's first minute")
    follow_interval: float = Field(10.0, gt=0, description="between polls after that")
    follow_slowest: float = Field(20.0, gt=0, description="between polls of a run that takes its time")
    attention_interval: float = Field(60.0, gt=0, description="between polls that wait for the owner")
    files_kept: float = Field(
        604_800.0, ge=0, description="how long a run's files stay at the provider once it has ended"
    )
    tidy_every: float = Field(30.0, gt=0, description="how often files that are to be deleted are looked for")
    refresh_gap: float = Field(5.0, gt=0, description="least time between polls that an owner asks for")
