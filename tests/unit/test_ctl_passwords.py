"""Passwords of PostgreSQL roles: any of them fits into an address, none is sent, an empty one is refused."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from deploy.ctl.database import ADMIN, PASSWORDS, known
from deploy.stack.databases import ROLES, Databases
from deploy.stack.scram import verifier
from deploy.stack.secure import ADMIN as ADMIN_OF_KAFKA
from deploy.stack.secure import Secure

ADMINISTRATOR = "postgresql://postgres@db.example:5433/postgres?sslmode=require"


@pytest.mark.parametrize("password", ["plain", "ab/cd+ef==", "p@ss:w?rd#1%", "пароль"])
def test_an_address_holds_any_password(password: str) -> None:
    found = urlsplit(Databases(ADMINISTRATOR, {"dialog_svc": password}).url("loop", "dialog_svc"))
    assert (found.hostname, found.port, found.path) == ("db.example", 5433, "/loop")
    assert unquote(found.password or "") == password


def test_a_password_is_not_in_what_the_server_gets_and_no_two_are_alike() -> None:
    first, second = verifier("hunter2"), verifier("hunter2")
    assert first != second
    for one in (first, second):
        assert one.startswith("SCRAM-SHA-256$4096:")
        assert "hunter2" not in one


def test_an_empty_password_is_refused_for_postgresql_would_take_it_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "admin").write_text(ADMINISTRATOR)
    for role in ROLES:
        (tmp_path / role).write_text("one\n")
    monkeypatch.setenv(ADMIN, str(tmp_path / "admin"))
    monkeypatch.setenv(PASSWORDS, str(tmp_path))
    assert set(known().passwords.values()) == {"one"}
    (tmp_path / "agent_svc").write_text("\n")
    with pytest.raises(OSError, match=r"empty.*agent_svc"):
        known()


def test_formatting_a_broker_names_the_administrators_password_in_a_file_only(tmp_path: Path) -> None:
    secure = Secure.kept_in(tmp_path)
    password = secure.password_file(ADMIN_OF_KAFKA).read_text()
    (option,) = secure.format_options()
    assert password not in option
    arguments = Path(option.removeprefix("@"))
    assert password in arguments.read_text()
    assert arguments.stat().st_mode & 0o077 == 0
