"""Each image: small, unprivileged, labelled, with a bill of what is in it; it refuses with good words."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest

from deploy.containers import images
from deploy.containers.engine import Docker
from deploy.images import closure
from deploy.stack.settings import ROOT
from tests.deploy.composition import image, ours

LARGEST = 250_000_000
BILL = "/app/sbom.cdx.json"
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp")


def described(docker: Docker, target: str) -> dict[str, Any]:
    (found,) = json.loads(docker.run("image", "inspect", image(target)))
    return dict(found)


def run(docker: Docker, target: str, *words: str, entrypoint: str = "") -> subprocess.CompletedProcess[str]:
    other = [f"--entrypoint={entrypoint}"] if entrypoint else []
    command = [docker.client, "run", "--rm", *HARDENED, "--network=none", *other, image(target), *words]
    return subprocess.run(command, env=docker.environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("target", images.TARGETS)
def test_an_image_is_small_unprivileged_and_says_what_it_is(
    built: Docker, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = described(built, target)
    config, labels = found["Config"], found["Config"]["Labels"]
    with capsys.disabled():
        print(f"\n  {found['Size'] / 1e6:6.1f} MB  {image(target)}", end="", flush=True)
    assert found["Size"] <= LARGEST
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"][0] == "/opt/venv/bin/python", "no shell is between"
    about = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    assert about["title"] == f"Mortarboard {target}"
    assert (about["version"], about["revision"]) == (images.VERSION, images.revision())
    assert about["licenses"] == "Apache-2.0"


@pytest.mark.parametrize("target", images.SERVICES)
def test_a_service_watches_itself(built: Docker, target: str) -> None:
    config = described(built, target)["Config"]
    assert config["Healthcheck"]["Test"][-2:] == ["chassis.probe", "livez"]
    assert set(config["ExposedPorts"]) == {"8080/tcp", "8081/tcp"}


@pytest.mark.parametrize("target", images.TARGETS)
def test_the_bill_lists_what_is_locked_for_the_image_and_the_system(built: Docker, target: str) -> None:
    said = run(built, target, "-c", f"print(open({BILL!r}).read())", entrypoint="/opt/venv/bin/python")
    bill = json.loads(said.stdout)
    assert bill["bomFormat"] == "CycloneDX"
    purls = [one.get("purl", "") for one in bill["components"]]
    from_index = dict(purl.split("/")[1].split("@") for purl in purls if purl.startswith("pkg:pypi/"))
    service = (target,) if target in images.SERVICES else ()
    ours = {f"mortarboard-{name}" for name in ("contracts", "chassis", *service)}
    locked = set((closure.LISTS / f"{target}.txt").read_text().split())
    assert from_index.keys() <= locked, "nothing else is in it"
    assert {"pydantic", "aiokafka", "asyncpg"} <= from_index.keys()
    lock = (ROOT / "requirements.lock").read_text()
    assert all(f"{name}=={version}" in lock for name, version in from_index.items())
    assert {one["name"] for one in bill["components"] if one["name"].startswith(closure.OURS)} == ours
    system = {purl.split("/")[2].split("@")[0] for purl in purls if purl.startswith("pkg:deb/debian/")}
    assert "libc6" in system
    assert "binutils" not in system, "what images are built with is not in them"


@pytest.mark.parametrize("target", images.SERVICES)
def test_a_service_without_settings_names_what_is_missing(built: Docker, target: str) -> None:
    said = run(built, target)
    assert said.returncode == 2, said.stderr
    assert "MORTARBOARD_DATABASE_URL" in said.stderr
    assert "MORTARBOARD_OBJECTS_URL" in said.stderr


def test_the_operators_tool_runs_and_knows_its_commands(built: Docker) -> None:
    said = run(built, "mortarboardctl", "--help")
    assert said.returncode == 0, said.stderr
    for command in ("topics", "dlt", "roles", "migrate", "objects", "backup", "restore"):
        assert command in said.stdout


def test_nothing_of_the_tools_for_development_is_in_a_service(built: Docker) -> None:
    program = "import importlib.util as u; print([n for n in ('deploy', 'pytest', 'pip') if u.find_spec(n)])"
    for target in images.SERVICES:
        assert run(built, target, "-c", program, entrypoint="/opt/venv/bin/python").stdout.strip() == "[]"


def test_a_service_stopped_in_its_first_second_ends_in_good_order(built: Docker) -> None:
    nowhere = {
        "KAFKA_BOOTSTRAP": "127.0.0.1:9", "DATABASE_URL": "postgresql://a:b@127.0.0.1:9/c",
        "DATABASE_HTTP_URL": "postgresql://a:b@127.0.0.1:9/c", "OBJECTS_URL": "file:///tmp/it", "DEV": "1",
    }  # fmt: skip
    told = [f"--env=MORTARBOARD_{name}={value}" for name, value in nowhere.items()]
    for pause in (0.0, 0.3, 2.0):
        container = built.run("run", "--detach", ours(), *HARDENED, *told, image("dialog-svc")).strip()
        time.sleep(pause)
        built.run("stop", container)
        (found,) = json.loads(built.run("inspect", container))
        built.run("rm", container)
        assert found["State"]["ExitCode"] == 0, f"after {pause} s"


@pytest.mark.parametrize("program", ["pg_dump", "pg_restore", "psql"])
def test_the_operators_tool_finds_postgresqls_programs(built: Docker, program: str) -> None:
    asks = (
        "import subprocess; from deploy.ctl.dump import program;"
        f"subprocess.run([program({program!r}), '--version'])"
    )
    said = run(built, "mortarboardctl", "-c", asks, entrypoint="/opt/venv/bin/python")
    assert said.stdout.startswith(f"{program} (PostgreSQL) 18"), said.stderr
