"""Where a backup may lie, and what is said when a program cannot reach the database."""

from __future__ import annotations

from pathlib import Path

import pytest
from obstore.store import LocalStore, S3Store

from deploy.ctl import dump, keep
from deploy.ctl.backup import BackupError

STORAGE = {
    "MORTARBOARD_OBJECTS_URL": "s3://mortarboard",
    "MORTARBOARD_OBJECTS_ENDPOINT": "http://storage.example:9000",
    "MORTARBOARD_OBJECTS_REGION": "eu",
    "MORTARBOARD_OBJECTS_ACCESS_KEY": "one",
    "MORTARBOARD_OBJECTS_SECRET_KEY": "two",
}


def test_a_backup_goes_into_a_folder_also_where_objects_are_in_s3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in STORAGE.items():
        monkeypatch.setenv(name, value)
    assert isinstance(keep._store(str(tmp_path / "backup")), LocalStore)
    assert isinstance(keep._store("s3://backups/one"), S3Store)


@pytest.mark.parametrize(
    ("objects", "place"),
    [
        ("s3://mortarboard", "s3://mortarboard/backups/1"),
        ("s3://mortarboard/objects", "s3://mortarboard/objects/1"),
        ("file:///data/objects", "/data/objects/backups/1"),
    ],
)
def test_a_backup_is_not_made_inside_of_what_it_copies(objects: str, place: str) -> None:
    with pytest.raises(BackupError, match="within"):
        keep.must_be_apart(objects, place)


@pytest.mark.parametrize(
    ("objects", "place"),
    [
        ("s3://mortarboard", "s3://mortarboard-backups/1"),
        ("s3://mortarboard/objects", "s3://mortarboard/backups/1"),
        ("file:///data/objects", "/data/backups/1"),
        ("file:///data/objects", "s3://backups/1"),
    ],
)
def test_a_backup_beside_what_it_copies_is_made(objects: str, place: str) -> None:
    keep.must_be_apart(objects, place)


async def test_a_program_that_speaks_no_tls_is_said_to_be_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(dump, "libpq", str)
    dump.program.cache_clear()
    with pytest.raises(dump.DumpError) as caught:
        await dump._run("psql", "postgresql://one@127.0.0.1:1/loop?sslmode=verify-full", "--command=")
    dump.program.cache_clear()
    said = str(caught.value)
    assert "came without TLS" in said
    assert "postgresql-client-18" in said
