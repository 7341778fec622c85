"""Settings of dialog-svc."""

from typing import ClassVar

from pydantic import Field

from chassis.settings import Settings


class DialogSettings(Settings):
    """What dialog-svc needs besides what every service needs."""

    service: ClassVar[str] = "dialog-svc"
    schema_name: ClassVar[str] = "dialog_svc"

    inline_transcript: int = Field(
        262_144, description="largest transcript inside an event, in bytes; above it goes to object storage"
    )
