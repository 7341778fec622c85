"""Settings and secrets of the composition, an engine that is not there, programs that are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock
from urllib.parse import unquote, urlsplit

import psutil
import pytest
from docker.errors import ImageNotFound

from deploy.containers import compose, engine, standins, tools
from deploy.stack.databases import ROLES
from deploy.stack.servers import Servers
from deploy.stack.settings import StackSettings


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


def test_an_engine_that_is_named_and_silent_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    settings = StackSettings(run=tmp_path, cache=tmp_path)
    with pytest.raises(engine.EngineError, match="DOCKER_HOST=unix:///nowhere"), engine.engine(settings):
        pass


def test_where_no_engine_can_be_had_the_packages_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(engine, "answers", lambda _: False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    settings = StackSettings(run=tmp_path, cache=tmp_path)
    with pytest.raises(engine.EngineError, match=r"docker\.io and iptables"), engine.engine(settings):
        pass


def test_a_program_of_debians_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "PLUGINS", ())
    with pytest.raises(tools.ToolError, match="apt-get install prometheus"):
        tools.tool("promtool")


def test_a_program_on_the_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "helm").write_text("#!/bin/sh\n")
    (tmp_path / "helm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tools.tool("helm") == tmp_path / "helm"


def test_a_stand_in_is_made_again_when_a_part_of_it_changes(tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_text("one")
    before = standins.digest(*standins.described({"start.sh": tmp_path / "start.sh"}))
    (tmp_path / "start.sh").write_text("two")
    assert standins.digest(*standins.described({"start.sh": tmp_path / "start.sh"})) != before


def test_the_engine_that_a_killed_session_left_is_ended_first(tmp_path: Path) -> None:
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen([*sleeps, str(tmp_path / "data")]) as ours, subprocess.Popen(sleeps) as another:
        (tmp_path / "docker.pid").write_text(str(ours.pid))
        engine.end_leftover(tmp_path)
        ours.wait(5)  # of whose end psutil may have heard first
        assert not psutil.pid_exists(ours.pid)
        (tmp_path / "docker.pid").write_text(str(another.pid))
        engine.end_leftover(tmp_path)  # the number is somebody else's by now
        assert another.poll() is None
        another.kill()


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
