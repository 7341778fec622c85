"""Settings of console-svc."""

from pathlib import Path
from typing import ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from chassis.secret import Read, reader
from chassis.settings import KeyedSettings

LOCAL = {"127.0.0.1", "localhost"}


class ConsoleSettings(KeyedSettings):
    """What console-svc needs besides what every service needs."""

    service: ClassVar[str] = "console-svc"
    schema_name: ClassVar[str] = "console_svc"

    public_url: str = Field(..., description="where browsers find the console, e.g. https://console.example")
    dialog_url: str = Field(..., description="dialog-svc's address")
    dataset_url: str = Field(..., description="dataset-svc's address")
    training_url: str = Field(..., description="training-svc's address")
    agent_url: str = Field(..., description="agent-svc's address")
    client_id: str = Field("console", description="as which client the issuer knows the console")
    client_secret: SecretStr | None = Field(None, description="the client's secret; none for a public client")
    client_secret_file: Path | None = None
    session_hours: float = Field(12.0, gt=0, description="how long a session lasts without a new sign-in")

    @property
    def client_secret_now(self) -> Read:
        """How to read the client's secret; empty for a public client."""
        return reader(self.client_secret, self.client_secret_file)

    @property
    def is_secure(self) -> bool:
        """Whether browsers come by https, so that cookies are marked for it."""
        return self.public_url.startswith("https://")

    @model_validator(mode="after")
    def comes_safely(self) -> Self:
        """Refuse plain http anywhere but on this machine."""
        where = urlsplit(self.public_url)
        if not self.is_secure and not (where.scheme == "http" and where.hostname in LOCAL):
            raise ValueError("MORTARBOARD_PUBLIC_URL must use https, but on 127.0.0.1")
        return self
