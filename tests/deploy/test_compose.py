"""The composition: what it promises on paper, its start, the demo, sign-in, secrets, and its end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.containers import compose
from deploy.containers.images import SERVICES, TARGETS, VERSION
from deploy.issuer.people import PEOPLE
from deploy.stack.databases import SCHEMAS
from deploy.stack.settings import ROOT
from tests.deploy.composition import JOBS, TAG, Composition, image
from tests.harness import until

OURS = (*SERVICES, *JOBS, "simulator", "issuer")
STOPPED_BY_SIGNAL = 143


@pytest.fixture(scope="module")
def config(composition: Composition) -> dict[str, Any]:
    said = composition.run("config", "--format", "json", profiles="dev,monitoring")
    return dict(json.loads(said))


@pytest.mark.parametrize("profiles", ["", "dev", "monitoring", "dev,monitoring"])
def test_the_file_is_valid_with_every_profile(composition: Composition, profiles: str) -> None:
    composition.run("config", "--quiet", profiles=profiles)


def test_images_of_ours_are_those_built_for_tests(config: dict[str, Any]) -> None:
    """And not those of a release, which somebody who shares the engine may be running."""
    assert TAG != VERSION
    ours = {one["image"] for name, one in config["services"].items() if name in OURS}
    assert ours == {image(target) for target in TARGETS}


def test_ports_are_published_on_this_machine_only(config: dict[str, Any]) -> None:
    published = [port for one in config["services"].values() for port in one.get("ports", ())]
    assert len(published) > len(SERVICES)
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_everything_gives_up_what_it_does_not_need(config: dict[str, Any]) -> None:
    for name, one in config["services"].items():
        assert one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["deploy"]["resources"]["limits"]["memory"], name
        if name in OURS:
            assert one["read_only"] is True, name
    for name in SERVICES:
        assert config["services"][name]["stop_grace_period"] == "35s"
        assert config["services"][name]["healthcheck"]["test"][-1] == "readyz"


def test_it_starts_and_every_service_is_ready(
    composition: Composition, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n  {composition.seconds:6.1f} s  docker compose up, everything ready", flush=True)
    for name in SERVICES:
        assert composition.state(name)["State"]["Health"]["Status"] == "healthy", name
        ops = f"http://127.0.0.1:{composition.ports[f'{name}-ops']}/readyz"
        assert httpx.get(ops, trust_env=False).json()["ok"] is True, name
    for name in JOBS:
        assert composition.state(name)["State"]["ExitCode"] == 0, name


def test_jobs_that_run_again_change_nothing_and_succeed(composition: Composition) -> None:
    for name in JOBS:
        composition.run("run", "--rm", "--no-deps", name)


def test_no_secret_is_in_an_environment_or_a_command(composition: Composition) -> None:
    secrets = {
        path.read_text().strip()
        for path in composition.secrets.rglob("*")
        if path.is_file() and path.suffix != ".yaml"
    }
    assert len(secrets) > 2 * len(SERVICES)
    for name in (*OURS, "kafka", "postgres", "s3"):
        told = json.dumps(composition.state(name))
        assert not any(secret in told for secret in secrets), name


def test_secrets_are_for_their_owner_and_the_containers_alone(composition: Composition) -> None:
    assert composition.secrets.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o222 == 0 for path in composition.secrets.rglob("*") if path.is_file())


def test_a_read_only_service_runs_as_nobody_in_particular(composition: Composition) -> None:
    program = "import os; print(os.getuid(), open('/proc/1/status').read().split('CapEff:')[1].split()[0])"
    for name in SERVICES:
        said = composition.docker.run(
            "exec", composition.container(name), "/opt/venv/bin/python", "-c", program
        )
        assert said.split() == ["10001", "0" * 16], name
        assert composition.state(name)["HostConfig"]["ReadonlyRootfs"] is True


def test_the_demo_plays_the_whole_loop(composition: Composition) -> None:
    command = [sys.executable, "-P", "-m", "deploy.cli", "demo", "--running", "--once"]
    env = {**composition.docker.environment, **composition.environment, "MORTARBOARD_STACK": "local"}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert result["status"] == "ready"
    assert result["answer_after"] != result["answer_before"]


def test_a_person_signs_in_through_the_issuer(composition: Composition) -> None:
    console = composition.url("console-svc")
    with httpx.Client(trust_env=False) as browser:
        sent = browser.get(f"{console}/sign-in").headers["location"]
        assert httpx.URL(sent).host == "issuer.localhost", "a name for browsers and for containers"
        there = httpx.URL(sent).copy_with(host="127.0.0.1")  # for which browsers take it
        back = browser.post(there, data={"sub": next(iter(PEOPLE))}).headers["location"]
        assert back.startswith(f"{console}/sign-in/back")
        assert browser.get(back).status_code == httpx.codes.SEE_OTHER
        page = browser.get(f"{console}/", follow_redirects=True)
    assert page.status_code == httpx.codes.OK
    assert str(page.url).startswith(console), "signed in"


def test_a_role_gets_another_password_as_the_readme_says(composition: Composition) -> None:
    (composition.secrets / "roles" / "dialog_svc").unlink()
    compose.prepare(composition.settings, composition.secrets)
    composition.run("run", "--rm", "mortarboardctl", "roles", "apply")
    composition.run("restart", "dialog-svc")
    composition.run("up", "--detach", "--wait", "--no-deps", *SERVICES)
    assert composition.state("dialog-svc")["State"]["Health"]["Status"] == "healthy"


def test_secrets_that_are_lost_are_replaced_as_the_readme_says(
    composition: Composition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPOSE_PROJECT_NAME", composition.project)
    shutil.rmtree(composition.secrets)
    with pytest.raises(compose.SecretsLostError, match=f"{composition.project}_postgres"):
        compose.must_not_lose(composition.settings, composition.secrets)
    compose.prepare(composition.settings, composition.secrets)
    composition.run("up", "--detach", "--wait", "--force-recreate", "--no-deps", "postgres")
    typed = "\\set new `cat /run/secrets/postgres-password`\nALTER ROLE postgres PASSWORD :'new';\n"
    psql = ("psql", "--username", "postgres", "--set", "ON_ERROR_STOP=1")
    composition.run("exec", "-T", "postgres", *psql, typed=typed)
    composition.run("up", "--detach", "--wait", "--force-recreate")
    assert {composition.state(name)["State"]["Health"]["Status"] for name in SERVICES} == {"healthy"}


def test_the_operators_tool_backs_up_into_a_folder(composition: Composition, tmp_path: Path) -> None:
    place = ("--user", str(os.getuid()), "--volume", f"{tmp_path}:/backups", "--env", "TMPDIR=/backups")
    composition.run("run", "--rm", *place, "mortarboardctl", "backup", "--to", "/backups")
    (manifest,) = tmp_path.glob("*/manifest.json")
    assert {*SCHEMAS} <= json.loads(manifest.read_text())["schemas"].keys()


async def test_prometheus_sees_every_service_and_has_the_rules(composition: Composition) -> None:
    composition.run("up", "--detach", "prometheus", profiles="dev,monitoring")
    prometheus = f"http://127.0.0.1:{composition.ports['prometheus']}/api/v1"
    async with httpx.AsyncClient(trust_env=False) as client:

        async def all_up() -> bool:
            try:
                answer = (await client.get(f"{prometheus}/query", params={"query": "up"})).json()
            except (httpx.HTTPError, ValueError):  # it is still starting
                return False
            up = {one["metric"]["service"] for one in answer["data"]["result"] if one["value"][1] == "1"}
            return up == set(SERVICES)

        await until(all_up, 90, "every service is seen")
        groups = (await client.get(f"{prometheus}/rules")).json()["data"]["groups"]
    assert sum(len(one["rules"]) for one in groups) > 0
    assert not [rule for one in groups for rule in one["rules"] if rule["health"] == "err"]


def test_a_stop_ends_every_service_in_good_order(composition: Composition) -> None:
    composition.run("stop")
    for name in SERVICES:
        assert composition.state(name)["State"]["ExitCode"] == 0, name
    assert composition.state("kafka")["State"]["ExitCode"] in (0, STOPPED_BY_SIGNAL)
    assert composition.state("postgres")["State"]["ExitCode"] == 0
    composition.start()
