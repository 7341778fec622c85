"""Settings that every service has, all from the environment (prefix MORTARBOARD_)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import NoDecode

from chassis.kafka_settings import KafkaSettings
from chassis.keyring import Keyring, parse_keys
from chassis.objects_settings import ObjectsSettings
from chassis.secret import Read, one_of, reader

PARTS = ("http", "consumers", "workers")


class Settings(ObjectsSettings, KafkaSettings):
    """What a service needs to know of its surroundings. Times in seconds, sizes in bytes."""

    service: ClassVar[str] = "service"
    schema_name: ClassVar[str] = "service"

    database_url_file: Path | None = None
    database_url: SecretStr | None = Field(
        None,
        validate_default=True,
        description="role of consumers and workers; whole, with its TLS parameters",
    )
    database_http_url_file: Path | None = None
    database_http_url: SecretStr | None = Field(
        None, validate_default=True, description="role of HTTP, under row-level security"
    )
    http_host: str = "127.0.0.1"
    http_port: int = 0
    ops_port: int = 0
    issuer: str = "http://127.0.0.1:18081"
    jwks_url: str = "http://127.0.0.1:18081/.well-known/jwks.json"
    parts: Annotated[tuple[str, ...], NoDecode] = PARTS
    instance: str = Field("", description="slot or pod name: a replacement takes over its partitions at once")
    log_level: str = "info"
    pool_size: int = Field(8, ge=2, le=10)

    batch_records: int = Field(1000, ge=1)
    batch_deadline: float = Field(25.0, description="after it the batch is rolled back and read again")
    session_timeout: float = 10.0
    rebalance_timeout: float = Field(60.0, description="how long a rebalance waits for a running batch")
    relay_poll: float = Field(0.25, description="how often the outbox is read when nobody wakes the relay")
    stop_grace: float = 30.0
    max_body: int = Field(1_048_576, description="largest event body, and largest HTTP body")
    keep_audit_days: float = Field(365.0, ge=0, description="how long the audit trail is kept; 0: for ever")
    events_kept_days: float = Field(
        3.0, ge=0, description="how long published events are kept to rebuild a lost topic; 0: not at all"
    )
    otlp_endpoint: str = Field("", description="OpenTelemetry collector; empty: no traces")

    @field_validator("database_url", "database_http_url")
    @classmethod
    def told_once(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        """Ask for each address once, as a value or as a file."""
        name = str(info.field_name)
        one_of(name.upper(), value, info.data.get(f"{name}_file"))
        return value

    @field_validator("parts", mode="before")
    @classmethod
    def split_parts(cls, value: object) -> object:
        """Accept a comma-separated list, refuse a part that does not exist."""
        parts = tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value
        if isinstance(parts, tuple) and (unknown := set(parts) - set(PARTS)):
            raise ValueError(f"unknown part {sorted(unknown)}; the parts are {', '.join(PARTS)}")
        return parts

    @model_validator(mode="after")
    def keys_come_safely(self) -> Self:
        """Refuse a key set that anyone on the way could exchange."""
        if not self.dev and not self.jwks_url.startswith("https://"):
            raise ValueError("MORTARBOARD_JWKS_URL must use https unless MORTARBOARD_DEV=1")
        return self

    @property
    def database_url_now(self) -> Read:
        """How to read the address of the workers' role."""
        return reader(self.database_url, self.database_url_file)

    @property
    def database_http_url_now(self) -> Read:
        """How to read the address of the HTTP role."""
        return reader(self.database_http_url, self.database_http_url_file)

    def topic(self, name: str) -> str:
        """Return the topic's name on this broker."""
        return self.topic_prefix + name

    @property
    def group(self) -> str:
        """What this service's groups, transactional ids and dead letters begin with on this broker."""
        return self.topic_prefix + self.service


class KeyedSettings(Settings):
    """Settings of a service that opens sealed secrets."""

    master_key: SecretStr | None = Field(
        None, description="32 bytes, base64; of several, separated by commas, the first seals"
    )
    master_key_file: Path | None = Field(
        None, description="a file that holds master keys, one a line; read again when it changes"
    )

    def keyring(self) -> Keyring:
        """Return the master keys; raises ValueError when there is none, or one is not 32 bytes of base64."""
        text = self.master_key.get_secret_value() if self.master_key else ""
        try:
            if self.master_key_file and not text:
                return Keyring.of_file(self.master_key_file)
            return Keyring.of(*parse_keys(text))
        except (ValueError, OSError):
            raise ValueError("MORTARBOARD_MASTER_KEY (or _FILE) must hold 32 bytes in base64") from None


def masked(settings: Settings) -> str:
    """Return one `NAME=value` line a setting; secrets show as stars."""
    lines = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        text = ",".join(value) if isinstance(value, tuple) else str(value if value is not None else "")
        lines.append(f"MORTARBOARD_{name.upper()}={text}")
    return "\n".join(lines)
