"""How to reach Kafka, from the environment (prefix MORTARBOARD_), and which settings go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from chassis.secret import Read, must_be_readable, one_of, reader, refused

Security = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN", "OAUTHBEARER"]

FOR_TLS = ("kafka_ca_file", "kafka_cert_file", "kafka_key_file")
FOR_PASSWORDS = ("kafka_username", "kafka_password", "kafka_password_file")
FOR_TOKENS = (
    "kafka_token_url", "kafka_client_id", "kafka_client_secret", "kafka_client_secret_file",
    "kafka_token_scope",
)  # fmt: skip


class KafkaSettings(BaseSettings):
    """What a Kafka client needs to know. Files are read again at each new connection."""

    model_config = SettingsConfigDict(
        env_prefix="MORTARBOARD_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    service: ClassVar[str] = "mortarboard"
    """As which client the broker knows us."""

    kafka_bootstrap: str = "127.0.0.1:19092"
    topic_prefix: str = Field("", description="prepended to every topic, group and transactional id")
    kafka_security: Security = "PLAINTEXT"
    kafka_ca_file: Path | None = Field(None, description="who signed the brokers; else the system's list")
    kafka_cert_file: Path | None = Field(None, description="the client's certificate (PEM), chain included")
    kafka_key_file: Path | None = Field(None, description="the certificate's key (PEM, without a password)")
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    kafka_password_file: Path | None = None
    kafka_token_url: str | None = Field(None, description="OAUTHBEARER: where client credentials get a token")
    kafka_client_id: str | None = None
    kafka_client_secret: SecretStr | None = None
    kafka_client_secret_file: Path | None = None
    kafka_token_scope: str | None = None
    dev: bool = Field(default=False, description="development: tokens and key sets may come by plain http")

    @property
    def encrypts(self) -> bool:
        """Whether connections are TLS."""
        return self.kafka_security.endswith("SSL")

    @property
    def authenticates(self) -> bool:
        """Whether the client says by SASL who it is."""
        return self.kafka_security.startswith("SASL")

    @property
    def kafka_password_now(self) -> Read:
        """How to read the password."""
        return reader(self.kafka_password, self.kafka_password_file)

    @property
    def kafka_client_secret_now(self) -> Read:
        """How to read the client's secret."""
        return reader(self.kafka_client_secret, self.kafka_client_secret_file)

    @model_validator(mode="after")
    def goes_together(self) -> Self:
        """Refuse settings that contradict each other, and files that cannot be read; the text names them."""
        for_tokens = self.kafka_sasl_mechanism == "OAUTHBEARER"
        if not self.encrypts:
            self._unused(FOR_TLS, "MORTARBOARD_KAFKA_SECURITY=SSL or SASL_SSL")
        if not self.authenticates:
            self._unused((*FOR_PASSWORDS, *FOR_TOKENS), "MORTARBOARD_KAFKA_SECURITY=SASL_SSL")
        elif for_tokens:
            self._unused(FOR_PASSWORDS, "another MORTARBOARD_KAFKA_SASL_MECHANISM than OAUTHBEARER")
            self._needs("kafka_token_url", "kafka_client_id")
            one_of("KAFKA_CLIENT_SECRET", self.kafka_client_secret, self.kafka_client_secret_file)
            if not self.dev and not (self.kafka_token_url or "").startswith("https://"):
                raise refused("MORTARBOARD_KAFKA_TOKEN_URL must use https unless MORTARBOARD_DEV=1")
        else:
            self._unused(FOR_TOKENS, "MORTARBOARD_KAFKA_SASL_MECHANISM=OAUTHBEARER")
            self._needs("kafka_username")
            one_of("KAFKA_PASSWORD", self.kafka_password, self.kafka_password_file)
        if self.kafka_security == "SASL_PLAINTEXT" and self.kafka_sasl_mechanism in ("PLAIN", "OAUTHBEARER"):
            raise refused(
                f"MORTARBOARD_KAFKA_SASL_MECHANISM={self.kafka_sasl_mechanism} sends its secret as it is: "
                "it needs MORTARBOARD_KAFKA_SECURITY=SASL_SSL"
            )
        if (self.kafka_cert_file is None) != (self.kafka_key_file is None):
            raise refused("MORTARBOARD_KAFKA_CERT_FILE and MORTARBOARD_KAFKA_KEY_FILE go together")
        for name in FOR_TLS:
            if path := getattr(self, name):
                must_be_readable(name.upper(), path)
        return self

    def _needs(self, *names: str) -> None:
        for name in names:
            if not getattr(self, name):
                raise refused(
                    f"MORTARBOARD_{name.upper()} is needed with "
                    f"MORTARBOARD_KAFKA_SECURITY={self.kafka_security} and "
                    f"MORTARBOARD_KAFKA_SASL_MECHANISM={self.kafka_sasl_mechanism}"
                )

    def _unused(self, names: tuple[str, ...], needed: str) -> None:
        """Refuse what would be ignored: somebody believes in a protection that is not there."""
        for name in names:
            if getattr(self, name) is not None:
                raise refused(f"MORTARBOARD_{name.upper()} is of no use without {needed}")


def kafka_from(environment: dict[str, Any]) -> KafkaSettings:
    """Return the settings that MORTARBOARD_ variables in `environment` say, and nothing else does."""
    prefix = "MORTARBOARD_"
    values = {name.removeprefix(prefix).lower(): value for name, value in environment.items() if value != ""}
    return KafkaSettings.model_validate(values)
