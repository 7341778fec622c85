"""How to reach object storage, from the environment (prefix MORTARBOARD_)."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from chassis.kafka_settings import KafkaSettings
from chassis.secret import Read, one_of, reader, refused

S3 = "s3://"
FOR_S3 = (
    "objects_endpoint", "objects_region", "objects_access_key", "objects_access_key_file",
    "objects_secret_key", "objects_secret_key_file",
)  # fmt: skip


class ObjectsSettings(BaseSettings):
    """Where objects are. Without keys the platform's own are used: AWS_ variables, a role of the machine."""

    model_config = KafkaSettings.model_config

    objects_url: str = Field(..., description="file:///folder or s3://bucket")
    objects_endpoint: str | None = Field(None, description="of an S3 that is not Amazon's")
    objects_region: str | None = None
    objects_access_key: SecretStr | None = None
    objects_access_key_file: Path | None = None
    objects_secret_key: SecretStr | None = None
    objects_secret_key_file: Path | None = Field(None, description="read again every minute, as is its twin")

    @model_validator(mode="after")
    def objects_go_together(self) -> Self:
        """Refuse half a pair of keys, and what only S3 has with another storage."""
        if not self.objects_url.startswith(S3):
            for name in FOR_S3:
                if getattr(self, name) is not None:
                    raise refused(
                        f"MORTARBOARD_{name.upper()} is of no use without MORTARBOARD_OBJECTS_URL=s3://…"
                    )
        if self.objects_keys_given:
            one_of("OBJECTS_ACCESS_KEY", self.objects_access_key, self.objects_access_key_file)
            one_of("OBJECTS_SECRET_KEY", self.objects_secret_key, self.objects_secret_key_file)
        return self

    @property
    def objects_keys_given(self) -> bool:
        """Whether these settings name any key."""
        return any(getattr(self, name) is not None for name in FOR_S3[2:])

    @property
    def objects_keys_now(self) -> tuple[Read, Read]:
        """How to read the access key and the secret key."""
        return (
            reader(self.objects_access_key, self.objects_access_key_file),
            reader(self.objects_secret_key, self.objects_secret_key_file),
        )
