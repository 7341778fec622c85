"""Settings of connections: what goes together, secrets from files, and words that name the setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from chassis.kafka_security import FollowingContext, Tokens, security
from chassis.kafka_settings import KafkaSettings, kafka_from
from chassis.settings import Settings, masked

SCRAM = {"SECURITY": "SASL_SSL", "USERNAME": "dialog-svc", "PASSWORD": "hidden"}
OAUTH = {
    "SECURITY": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER", "TOKEN_URL": "https://issuer/token",
    "CLIENT_ID": "dialog-svc", "CLIENT_SECRET": "hidden",
}  # fmt: skip


def settings(**values: str) -> KafkaSettings:
    return kafka_from({f"MORTARBOARD_KAFKA_{name}": value for name, value in values.items()})


def without(values: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in values.items() if name not in names}


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"SECURITY": "TLS"}, "kafka_security"),
        ({"CA_FILE": "/ca.pem"}, "MORTARBOARD_KAFKA_CA_FILE is of no use without"),
        ({"USERNAME": "u", "PASSWORD": "p"}, "MORTARBOARD_KAFKA_USERNAME is of no use without"),
        ({"SECURITY": "SSL", "PASSWORD": "p"}, "MORTARBOARD_KAFKA_PASSWORD is of no use without"),
        (without(SCRAM, "USERNAME"), "MORTARBOARD_KAFKA_USERNAME is needed with"),
        (without(SCRAM, "PASSWORD"), "MORTARBOARD_KAFKA_PASSWORD_FILE"),
        (SCRAM | {"PASSWORD_FILE": "/p"}, "MORTARBOARD_KAFKA_PASSWORD and MORTARBOARD_KAFKA_PASSWORD_FILE"),
        (without(SCRAM, "PASSWORD") | {"PASSWORD_FILE": "/none"}, "MORTARBOARD_KAFKA_PASSWORD_FILE: /none"),
        (SCRAM | {"TOKEN_URL": "https://issuer"}, "MORTARBOARD_KAFKA_TOKEN_URL is of no use without"),
        (SCRAM | {"CA_FILE": "/none.pem"}, "MORTARBOARD_KAFKA_CA_FILE: /none.pem cannot be read"),
        (
            SCRAM | {"CERT_FILE": "/c"},
            "MORTARBOARD_KAFKA_CERT_FILE and MORTARBOARD_KAFKA_KEY_FILE go together",
        ),
        (
            SCRAM | {"SECURITY": "SASL_PLAINTEXT", "SASL_MECHANISM": "PLAIN"},
            "MORTARBOARD_KAFKA_SASL_MECHANISM=PLAIN sends its secret as it is",
        ),
        (OAUTH | {"SECURITY": "SASL_PLAINTEXT"}, "MORTARBOARD_KAFKA_SASL_MECHANISM=OAUTHBEARER sends"),
        (without(OAUTH, "TOKEN_URL"), "MORTARBOARD_KAFKA_TOKEN_URL is needed with"),
        (without(OAUTH, "CLIENT_SECRET"), "MORTARBOARD_KAFKA_CLIENT_SECRET_FILE"),
        (OAUTH | {"TOKEN_URL": "http://issuer/token"}, "MORTARBOARD_KAFKA_TOKEN_URL must use https"),
        (OAUTH | {"USERNAME": "u"}, "MORTARBOARD_KAFKA_USERNAME is of no use without"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_by_name(values: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**values)
    assert named in str(refused.value)
    assert "hidden" not in str(refused.value)


async def test_a_client_gets_what_the_settings_say(tmp_path: Path) -> None:
    assert security(settings()) == {"security_protocol": "PLAINTEXT"}
    by_password = security(settings(**SCRAM | {"SASL_MECHANISM": "SCRAM-SHA-256"}))
    assert isinstance(by_password.pop("ssl_context"), FollowingContext)
    assert by_password == {
        "security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "dialog-svc", "sasl_plain_password": "hidden",
    }  # fmt: skip
    by_token = security(settings(**OAUTH))
    assert isinstance(by_token["sasl_oauth_token_provider"], Tokens)
    assert by_token["sasl_oauth_token_provider"] is security(settings(**OAUTH))["sasl_oauth_token_provider"]
    (tmp_path / "password").write_text("from a file\n")
    told = settings(**without(SCRAM, "PASSWORD") | {"PASSWORD_FILE": str(tmp_path / "password")})
    assert security(told)["sasl_plain_password"] == "from a file"
    (tmp_path / "password").write_text("another\n")
    assert told.kafka_password_now() == "another"
    (tmp_path / "password").write_text("\n")
    with pytest.raises(OSError, match="empty"):
        told.kafka_password_now()


def test_a_variable_that_is_empty_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORTARBOARD_KAFKA_USERNAME", "")
    monkeypatch.setenv("MORTARBOARD_KAFKA_SECURITY", "")
    assert KafkaSettings().kafka_security == "PLAINTEXT"


@pytest.mark.parametrize("name", ["database_url", "database_http_url"])
def test_an_address_of_the_database_comes_as_a_value_or_as_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:hidden@h/d\n")
    given: dict[str, Any] = {
        "database_url": "postgresql://u:hidden@h/e", "database_http_url": "postgresql://u:hidden@h/e",
        "objects_url": "file:///tmp/x", "dev": True,
    }  # fmt: skip
    twin = {f"{name}_file": str(tmp_path / "url")}
    with pytest.raises(ValidationError, match=f"MORTARBOARD_{name.upper()}_FILE are both set"):
        Settings.model_validate(given | twin)
    given.pop(name)
    with pytest.raises(ValidationError, match=f"Field required, or MORTARBOARD_{name.upper()}_FILE"):
        Settings.model_validate(given)
    with pytest.raises(ValidationError, match="/none cannot be read"):
        Settings.model_validate(given | {f"{name}_file": "/none"})
    told = Settings.model_validate(given | twin)
    assert getattr(told, f"{name}_now")() == "postgresql://u:hidden@h/d"
    assert "hidden" not in masked(told)
