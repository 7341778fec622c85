"""Settings of dialog-svc."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from chassis.settings import Settings
from dialog_svc.domain.retention import CLASSES, Retention


class DialogSettings(Settings):
    """What dialog-svc needs besides what every service needs."""

    service: ClassVar[str] = "dialog-svc"
    schema_name: ClassVar[str] = "dialog_svc"

    inline_transcript: int = Field(
        262_144, description="largest transcript inside an event, in bytes; above it goes to object storage"
    )
    idle_seconds: int = Field(1800, ge=1, description="when a dialog is silent, until its agent is known")
    keep_days: Literal[0, 30, 90, 365] = Field(365, description="how long text is kept; 0: for ever")
    keep: dict[str, int] = Field(
        default_factory=dict, description='exceptions: {"tenant": 30, "tenant/agent": 0}, percent-encoded'
    )
    index_every: float = Field(0.5, gt=0, description="seconds between looks for dialogs to list anew")

    erase_settle: float = Field(
        35.0, ge=0, description="seconds after which dialogs of an erased client are looked for once more"
    )
    erase_wait: float = Field(
        3.0, ge=0, description="seconds for which a request to erase waits until it is done"
    )

    @field_validator("keep")
    @classmethod
    def known_classes(cls, value: dict[str, int]) -> dict[str, int]:
        """Refuse a class that there are no shelves for."""
        if unknown := set(value.values()) - set(CLASSES):
            raise ValueError(f"unknown retention {sorted(unknown)}; the classes are {CLASSES}")
        return value

    @property
    def retention(self) -> Retention:
        """How long the text of whose dialogs is kept."""
        return Retention(self.keep_days, self.keep)
