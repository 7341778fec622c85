"""Settings of object storage: what goes together, and keys that follow their files."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from chassis.objects import Keys
from chassis.objects_settings import ObjectsSettings


def settings(**values: str) -> ObjectsSettings:
    return ObjectsSettings.model_validate({f"objects_{name}": value for name, value in values.items()})


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "objects_url"),
        (
            {"url": "file:///objects", "endpoint": "http://s3:7070"},
            "MORTARBOARD_OBJECTS_ENDPOINT is of no use",
        ),
        ({"url": "file:///objects", "secret_key": "hidden"}, "MORTARBOARD_OBJECTS_SECRET_KEY is of no use"),
        ({"url": "s3://bucket", "access_key": "open"}, "MORTARBOARD_OBJECTS_SECRET_KEY_FILE"),
        ({"url": "s3://bucket", "secret_key": "hidden"}, "MORTARBOARD_OBJECTS_ACCESS_KEY_FILE"),
        (
            {"url": "s3://bucket", "access_key": "open", "secret_key": "hidden", "secret_key_file": "/key"},
            "MORTARBOARD_OBJECTS_SECRET_KEY and MORTARBOARD_OBJECTS_SECRET_KEY_FILE",
        ),
        (
            {"url": "s3://bucket", "access_key": "open", "secret_key_file": "/none"},
            "MORTARBOARD_OBJECTS_SECRET_KEY_FILE: /none cannot be read",
        ),
    ],
)
def test_storage_settings_that_contradict_each_other_are_refused_by_name(
    values: dict[str, str], named: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**values)
    assert named in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_without_keys_the_platforms_own_are_used() -> None:
    assert not settings(url="s3://bucket", region="eu-central-1").objects_keys_given


def test_keys_follow_their_files(tmp_path: Path) -> None:
    (tmp_path / "access").write_text("first\n")
    (tmp_path / "secret").write_text("one\n")
    files = {"access_key_file": str(tmp_path / "access"), "secret_key_file": str(tmp_path / "secret")}
    keys = Keys(*settings(url="s3://bucket", **files).objects_keys_now)
    assert (keys()["access_key_id"], keys()["secret_access_key"]) == ("first", "one")
    (tmp_path / "secret").write_text("two\n")
    given = keys()
    assert given["secret_access_key"] == "two"
    assert given["expires_at"] is not None
    assert given["expires_at"] > datetime.now(UTC)
