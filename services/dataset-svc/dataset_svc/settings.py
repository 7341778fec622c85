"""Settings of dataset-svc."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chassis.settings import Settings


class DatasetSettings(Settings):
    """What dataset-svc needs besides what every service needs."""

    service: ClassVar[str] = "dataset-svc"
    schema_name: ClassVar[str] = "dataset_svc"

    catalogue: Path | None = Field(None, description="the operators' provider catalogue, YAML")
    min_examples: int = Field(
        10, ge=1, description="fewest training examples where the catalogue names no minimum"
    )
    keep_unsaved_days: float = Field(
        30.0, gt=0, description="how long untouched drafts and removed examples are kept, in days"
    )
    keep_operations_days: float = Field(30.0, gt=0, description="how long a call can be undone, in days")
    keep_candidates_days: float = Field(
        90.0, ge=0, description="how long transcripts that no example holds are kept, in days; 0: for ever"
    )
    import_bytes: int = Field(2**30, ge=1, description="largest file that an import takes, in bytes")
    freeze_wait: float = Field(
        3.0, description="how long a freeze waits for checks, and then for a small version, in seconds"
    )
    freeze_lease: float = Field(60.0, description="after it a freeze that crashed is taken over, in seconds")
