"""Settings and secrets of the composition, programs that are missing, images that are not to be had."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock
from urllib.parse import unquote, urlsplit

import pytest
from docker.errors import ImageNotFound

from deploy.cli import compose as compose_command
from deploy.containers import compose, standins, tools
from deploy.stack.databases import ROLES
from deploy.stack.servers import Servers
from deploy.stack.settings import from_environment


def script(path: Path, text: str) -> None:
    """A program of a few lines of shell."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def content(folder: Path) -> dict[str, str]:
    return {str(path): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    made = compose.prepare(tmp_path / "settings.env", tmp_path / "secrets")
    before = content(tmp_path)
    assert {str(path) for path in made} == before.keys()
    assert compose.prepare(tmp_path / "settings.env", tmp_path / "secrets") == []
    assert content(tmp_path) == before


def test_secrets_are_for_their_owner_and_what_runs_as_nobody(tmp_path: Path) -> None:
    compose.prepare(tmp_path / "settings.env", tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    files = [path for path in (tmp_path / "secrets").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o444}


def test_secrets_can_be_read_in_containers_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        compose.prepare(tmp_path / "settings.env", tmp_path / "secrets")
    finally:
        os.umask(before)
    assert (tmp_path / "secrets" / "roles").stat().st_mode & 0o777 == 0o755
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets" / "roles").iterdir()} == {0o444}


def test_addresses_have_the_passwords_of_their_roles(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    compose.prepare(tmp_path / "settings.env", secrets)
    passwords = {role: (secrets / "roles" / role).read_text().strip() for role in ROLES}
    assert len(set(passwords.values())) == len(ROLES)
    for name, role in (
        ("dialog-svc-database-url", "dialog_svc"),
        ("agent-svc-database-http-url", "agent_svc_http"),
    ):
        address = urlsplit((secrets / name).read_text().strip())
        assert (address.username, unquote(address.password or "")) == (role, passwords[role])


def test_every_secret_of_the_composition_is_made(tmp_path: Path) -> None:
    compose.prepare(tmp_path / "settings.env", tmp_path / "secrets")
    named = [
        line.split("/")[-1].rstrip('"}')
        for line in compose.FILE.read_text().splitlines()
        if '{file: "${MORTARBOARD_SECRETS' in line
    ]
    assert len(named) > len(ROLES)
    assert all((tmp_path / "secrets" / name).exists() for name in named)


def empty(path: Path) -> None:
    path.chmod(0o600)
    path.write_text("")


def docker(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    script(folder / "docker", text)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_secrets_that_data_were_made_with_are_not_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, folder = tmp_path / "settings.env", tmp_path / "secrets"
    answer = 'case "$*" in *compose.project=here*compose.volume=postgres*) echo here_postgres;; esac'
    docker(tmp_path / "bin", answer, monkeypatch)
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", "elsewhere")
    compose.must_not_lose(settings, folder)  # the first start: nothing is there
    monkeypatch.delenv("COMPOSE_PROJECT_NAME")
    compose.prepare(settings, folder)
    compose.must_not_lose(settings, folder)
    with settings.open("a") as lines:
        lines.write("COMPOSE_PROJECT_NAME=here\n")
    (folder / "grafana-password").unlink()
    compose.must_not_lose(settings, folder)
    (folder / "master-key").unlink()
    with pytest.raises(
        compose.SecretsLostError,
        match=r"(?s)no master-key, but .*here_postgres.*--project-name here down --volumes",
    ):
        compose.must_not_lose(settings, folder)
    docker(tmp_path / "silent", "echo no engine >&2; exit 1", monkeypatch)
    with pytest.raises(compose.SecretsLostError, match="cannot be seen: no engine"):
        compose.must_not_lose(settings, folder)


@pytest.mark.parametrize("spoil", [Path.unlink, empty])
def test_an_address_follows_a_password_that_was_lost(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    """Also one that a full disk left empty."""
    settings, folder = tmp_path / "settings.env", tmp_path / "secrets"
    compose.prepare(settings, folder)
    before = {path: path.read_text() for path in folder.rglob("*") if path.is_file()}
    for name in ("postgres-password", "roles/dialog_svc"):
        spoil(folder / name)
    changed = {"postgres-password", "roles/dialog_svc", "postgres-admin-url", "dialog-svc-database-url"}
    assert {str(path.relative_to(folder)) for path in compose.prepare(settings, folder)} == changed
    assert {
        str(one.relative_to(folder)) for one, text in before.items() if one.read_text() != text
    } == changed
    for name, address in (
        ("postgres-password", "postgres-admin-url"),
        ("roles/dialog_svc", "dialog-svc-database-url"),
    ):
        password = (folder / name).read_text().strip()
        assert password
        assert urlsplit((folder / address).read_text().strip()).password == password


def test_settings_are_read_as_docker_compose_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.env"
    assert (compose.project_of(settings), compose.folder_of(settings)) == ("mortarboard", compose.SECRETS)
    settings.write_text(f"COMPOSE_PROJECT_NAME='here' # ours\nMORTARBOARD_SECRETS=\"{tmp_path}/kept\"\n")
    assert compose.project_of(settings) == "here"
    compose.prepare(settings)
    assert (tmp_path / "kept" / "master-key").exists()
    docker(tmp_path / "bin", "echo here_postgres", monkeypatch)
    compose.must_not_lose(settings)
    monkeypatch.setenv("MORTARBOARD_SECRETS", "./elsewhere")
    with pytest.raises(compose.SecretsLostError, match="elsewhere has no master-key"):
        compose.must_not_lose(settings)


def test_new_secrets_are_made_when_asked_for_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost() -> None:
        raise compose.SecretsLostError("no master-key")

    monkeypatch.setattr(compose, "must_not_lose", lost)
    monkeypatch.setattr(compose, "prepare", lambda: [compose.SECRETS / "master-key"])
    said = {}
    for options in ((), ("--new-secrets",), ("--new",)):
        status = compose_command.run(from_environment(), Namespace(rest=["prepare", *options]))
        said[options] = (status, "made" in capsys.readouterr().out)
    assert said == {(): (1, False), ("--new-secrets",): (0, True), ("--new",): (2, False)}


def test_a_folder_that_one_may_not_look_into_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed() -> None:
        raise PermissionError(13, "Permission denied", "/etc/secrets/master-key")

    monkeypatch.setattr(compose, "must_not_lose", closed)
    assert compose_command.run(from_environment(), Namespace(rest=["prepare"])) == 1
    assert "/etc/secrets/master-key" in capsys.readouterr().err


def test_a_program_of_debians_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "PLUGINS", ())
    with pytest.raises(tools.ToolError, match="apt-get install prometheus"):
        tools.tool("promtool")


def test_a_program_on_the_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "helm", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.tool("helm") == tmp_path / "helm"


def test_a_docker_compose_of_the_first_version_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, version in (("old", "1.29.2"), ("plugins", "2.40.3")):
        script(tmp_path / folder / "docker-compose", f"echo {version}")
    monkeypatch.setenv("PATH", f"{tmp_path / 'old'}:{os.environ['PATH']}")
    monkeypatch.setattr(tools, "PLUGINS", (tmp_path / "plugins",))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert tools.tool("docker-compose") == tmp_path / "plugins" / "docker-compose"
    monkeypatch.setenv("PATH", f"{tmp_path / 'plugins'}:{os.environ['PATH']}")
    monkeypatch.setattr(tools, "PLUGINS", ())
    assert tools.tool("docker-compose") == tmp_path / "plugins" / "docker-compose"


def test_a_stand_in_is_made_again_when_a_part_of_it_changes(tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_text("one")
    before = standins.digest(*standins.described({"start.sh": tmp_path / "start.sh"}))
    (tmp_path / "start.sh").write_text("two")
    assert standins.digest(*standins.described({"start.sh": tmp_path / "start.sh"})) != before


async def test_an_image_that_is_not_to_be_had_is_named_when_servers_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client = MagicMock()
    client.return_value.create.side_effect = ImageNotFound("no such image: apache/kafka")
    monkeypatch.setattr("testcontainers.core.container.DockerClient", client)
    monkeypatch.setenv("MORTARBOARD_STACK", "containers")
    with pytest.raises(ImageNotFound, match="apache/kafka"):
        async with Servers.on_free_ports(tmp_path):
            pass
