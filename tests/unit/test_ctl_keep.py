"""Where a backup may lie, what is put back of it, and how programs reach the database."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote

import obstore
import pytest
from obstore.exceptions import GenericError
from obstore.store import LocalStore, MemoryStore, S3Store

from deploy.ctl import __main__ as ctl
from deploy.ctl import copies, dump, keep, objects
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


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ("ssl_min_protocol_version=nonsense", "ssl_min_protocol_version"),
        ("target_session_attrs=nonsense", "target_session_attrs"),
        ("channel_binding=nonsense", "channel_binding"),
        ("statement_timeout=0", r"(?s)statement_timeout.*options=-c"),
        ("sslpassword=hidden", "(?s)sslpassword(?!.*hidden)"),
    ],
)
async def test_no_parameter_of_the_address_is_passed_over(parameters: str, said: str) -> None:
    with pytest.raises(dump.DumpError, match=said):
        await dump._run("psql", f"postgresql://one@127.0.0.1:1/loop?{parameters}", "--command=")


async def test_programs_get_the_address_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "psql"
    program.write_text('#!/bin/sh\necho "psql (PostgreSQL) 18.0"\nprintf "%s\\n" "$PGPASSWORD" "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    dump.program.cache_clear()
    url = f"postgresql://o%2Fne:{quote('se/cret', safe='')}@a:5432,b:5433/loop"
    url += "?password=other&sslrootcert=%2Fa%20b&options=-c%20x%3D1"
    try:
        said = (await dump._run("psql", url, "--quiet")).splitlines()
    finally:
        dump.program.cache_clear()
    address = "postgresql://o%2Fne@a:5432,b:5433/loop?sslrootcert=%2Fa%20b&options=-c%20x%3D1"
    assert said[1:] == ["se/cret", f"--dbname={address}", "--quiet"]


async def test_a_server_that_lets_nobody_in_is_not_taken_for_one_that_wants_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that speaks TLS tries without as well, and the server's last word is of that."""
    program, refusal = tmp_path / "psql", 'no pg_hba.conf entry for host "10.0.0.1", no encryption'
    version = "[ $1 = --version ] && echo 'psql (PostgreSQL) 18.0' && exit"
    program.write_text(f"#!/bin/sh\n{version}\necho 'FATAL: {refusal}' >&2; exit 2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    dump.program.cache_clear()
    try:
        with pytest.raises(dump.DumpError, match=refusal):
            await dump._run("psql", "postgresql://one@db/loop", "--quiet")
    finally:
        dump.program.cache_clear()


async def test_a_damaged_copy_is_not_put_over_what_is_whole(tmp_path: Path) -> None:
    backup, storage = MemoryStore(), LocalStore(tmp_path)
    for size in (10, 3 * copies.CHUNK):
        whole, damaged = b"x" * size, b"?" * size
        await obstore.put_async(backup, "objects/one", damaged)
        await obstore.put_async(storage, "one", whole)
        was = copies.Copied("one", hashlib.sha256(whole).hexdigest(), size)
        assert await copies.put_back(backup, "objects", storage, [was]) == ["one"]
        assert (tmp_path / "one").read_bytes() == whole
        await obstore.put_async(backup, "objects/one", whole)
        (tmp_path / "one").unlink()
        assert await copies.put_back(backup, "objects", storage, [was]) == []
        assert (tmp_path / "one").read_bytes() == whole


@pytest.mark.parametrize("error", [TimeoutError(), GenericError("no answer\n\nDebug source:\nmuch")])
def test_whatever_a_command_meets_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    async def failing() -> None:
        raise error

    monkeypatch.setattr(objects, "check", failing)
    monkeypatch.setattr("sys.argv", ["mortarboardctl", "objects", "check"])
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert ctl.main() == 1
    words = str(error).partition("\n")[0]
    assert capsys.readouterr().err == f"mortarboardctl: {type(error).__name__}: {words}\n"
