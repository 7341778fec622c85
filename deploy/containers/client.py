"""What docker's command line says of itself and of its engine."""

import os
import shutil
import subprocess

USUAL = "unix:///var/run/docker.sock"
UNKNOWN = 23
"""As a version: one that needs buildx to build."""


def of_context() -> str:
    """Where the client would look: a rootless engine and Docker Desktop are contexts of it."""
    asked = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:  # no client
        said = ""
    return said or USUAL


def answers(host: str) -> bool:
    """Whether an engine answers there."""
    client = shutil.which("docker")
    if not client:
        return False
    env = {**os.environ, "DOCKER_HOST": host}
    asked = [client, "version", "--format", "{{.Server.Version}}"]
    return not subprocess.run(asked, env=env, capture_output=True, check=False).returncode


def version(client: str) -> int:
    """The first number of a client's version."""
    asked = [client, "version", "--format", "{{.Client.Version}}"]
    env = {**os.environ, "DOCKER_HOST": "unix:///nowhere"}
    said = subprocess.run(asked, env=env, capture_output=True, text=True, check=False).stdout
    return int(said.strip().partition(".")[0] or UNKNOWN)


def has_buildx(client: str) -> bool:
    """Whether a client has the plugin that builds."""
    return not subprocess.run([client, "buildx", "version"], capture_output=True, check=False).returncode
