"""deploy/compose.yaml as a person starts it: secrets, ports and data of its own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from deploy.containers import compose, images, standins
from deploy.containers.engine import Docker
from deploy.containers.servers import SESSION
from deploy.containers.tools import tool
from deploy.stack.databases import Databases
from deploy.stack.services import Surroundings
from deploy.stack.session import FOLDER
from deploy.stack.settings import DEFAULT_PORTS, ROOT, free_ports, port_setting

JOBS = ("topics", "roles", "migrations", "storage")
STANDIN_IMAGES = {
    "MORTARBOARD_KAFKA_IMAGE": standins.KAFKA,
    "MORTARBOARD_POSTGRES_IMAGE": standins.POSTGRES,
    "MORTARBOARD_S3_IMAGE": standins.S3,
    "MORTARBOARD_PROMETHEUS_IMAGE": standins.PROMETHEUS,
}
PREFIX = "mortarboard-test-"
TAG = f"{images.VERSION}-test"
"""Of images built for tests: on an engine that others use too, theirs stay what they are."""
LABEL = "com.docker.compose.project"
MORE_PORTS = ("prometheus", "grafana")


def ours() -> str:
    """The option of `docker run` by which the next session knows a container that a killed one left."""
    return f"--label={SESSION}={os.environ[FOLDER]}"


def image(target: str) -> str:
    """The name of one of our images as tests build it."""
    return images.name(target, TAG)


def sweep(docker: Docker) -> None:
    """Remove compositions of sessions that were killed: their settings are gone."""
    label = '{{.Label "%s"}}'
    told = f"{label % LABEL} {label % f'{LABEL}.environment_file'}"
    for line in set(docker.run("ps", "--all", "--format", told).splitlines()):
        project, _, settings = line.partition(" ")
        if project.startswith(PREFIX) and not Path(settings).exists():
            for kind in ("container", "volume", "network"):
                every = ("--all",) if kind == "container" else ()
                found = docker.run(kind, "ls", "--quiet", *every, f"--filter=label={LABEL}={project}").split()
                if found:
                    docker.run(kind, "rm", *(("--force",) if kind != "network" else ()), *found)


class Composition:
    """One composition on an engine, under a project name of its own."""

    def __init__(self, docker: Docker, folder: Path, *, with_standins: bool = True) -> None:
        names = [*DEFAULT_PORTS, *MORE_PORTS]
        self.docker = docker
        self.project = f"{PREFIX}{Path(os.environ[FOLDER]).name}-{folder.name}"
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self.secrets = folder / "secrets"
        self.settings = folder / "settings.env"
        self.seconds = 0.0
        """From `up` until everything was ready."""
        compose.prepare(self.settings, self.secrets)
        issuer = f"http://issuer.localhost:{self.ports['issuer']}"
        told = {port_setting(name): str(port) for name, port in self.ports.items()} | {
            "MORTARBOARD_NAMESPACE": images.NAMESPACE,
            "MORTARBOARD_VERSION": TAG,
            "MORTARBOARD_SECRETS": str(self.secrets),
            "MORTARBOARD_CATALOGUE": str(self.secrets / "catalogue.simulated.yaml"),
            "MORTARBOARD_ISSUER": issuer,
            "MORTARBOARD_JWKS_URL": f"{issuer}/.well-known/jwks.json",
            **(STANDIN_IMAGES if with_standins else {}),
        }
        with self.settings.open("a") as lines:
            lines.writelines(f"{name}={value}\n" for name, value in told.items())

    def run(self, *arguments: str, profiles: str = "dev", typed: str | None = None) -> str:
        """`docker compose` with these words; what it printed. Fails with its own words."""
        command = compose.command(
            tool("docker-compose"), *arguments, project=self.project, settings=self.settings
        )
        env = {**self.docker.environment, "COMPOSE_PROFILES": profiles}
        done = subprocess.run(
            command, env=env, cwd=ROOT, capture_output=True, text=True, check=False, input=typed
        )
        assert done.returncode == 0, f"{' '.join(arguments)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        return done.stdout

    def start(self, profiles: str = "dev") -> None:
        """Start all of it and wait until every service is ready."""
        began = time.monotonic()
        try:
            self.run("up", "--detach", "--wait", "--wait-timeout", "180", profiles=profiles)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.run('logs', '--tail', '15')[-6000:]}") from None
        self.seconds = time.monotonic() - began

    def remove(self) -> None:
        """Stop and forget all of it."""
        self.run("down", "--volumes", "--timeout", "5", profiles="dev,monitoring")

    def container(self, name: str) -> str:
        """The full name of a container."""
        return f"{self.project}-{name}-1"

    def state(self, name: str) -> dict[str, Any]:
        """What the engine says of a container."""
        (found,) = json.loads(self.docker.run("inspect", self.container(name)))
        return dict(found)

    def url(self, name: str) -> str:
        """Where a service, the simulator or the issuer is published."""
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def surroundings(self) -> Surroundings:
        """The same as tests of services are given; object storage is not a folder here."""
        password = (self.secrets / "postgres-password").read_text().strip()
        admin = f"postgresql://postgres:{password}@127.0.0.1:{self.ports['postgres']}/postgres"
        return Surroundings(
            kafka_bootstrap=f"127.0.0.1:{self.ports['kafka']}",
            databases=Databases(admin, {}),
            database=compose.DATABASE,
            objects=Path("/nowhere"),
            issuer=self.url("issuer"),
            master_key="",
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which `./dev demo --running` finds it."""
        return {port_setting(name): str(self.ports[name]) for name in DEFAULT_PORTS}
