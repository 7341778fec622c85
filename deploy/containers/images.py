"""Builds our images: `./dev images`."""

import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from deploy.containers.engine import Docker
from deploy.containers.standins import BASE, BUILD
from deploy.stack.services import ALL
from deploy.stack.settings import ROOT

DOCKERFILE = ROOT / "deploy" / "images" / "Dockerfile"
SERVICES = tuple(service.name for service in ALL)
TARGETS = (*SERVICES, "mortarboardctl", "devtools")
VERSION = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
NAMESPACE = "mortarboard"
MIRRORS = {
    "pip": (
        "PIP_CONFIG_FILE",
        "/etc/pip.conf",
        "/etc/xdg/pip/pip.conf",
        "~/.config/pip/pip.conf",
        "~/.pip/pip.conf",
    ),
    "npmrc": ("NPM_CONFIG_USERCONFIG", "~/.npmrc"),
    "ca": ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"),
}
"""How this machine reaches package registries, as build secrets: a variable that names a file, or files."""
ADDRESSES = {
    "pip": ("PIP_INDEX_URL", "[global]\nindex-url = {}\n"),
    "npmrc": ("NPM_CONFIG_REGISTRY", "registry={}\n"),
}
"""The same where a variable holds the address itself, which goes before files; the file it is made into."""


def name(target: str, tag: str = VERSION) -> str:
    """The full name of an image."""
    return f"{NAMESPACE}/{target}:{tag}"


def build(
    docker: Docker,
    env: Mapping[str, str],
    targets: tuple[str, ...] = TARGETS,
    *,
    tag: str = VERSION,
    standins: bool = False,
    say: Callable[[str], None],
) -> None:
    """Build images one after the other, on the official base or on its stand-in; raises EngineError.

    Whatever the tag, they say of themselves that they are this version.
    """
    bases = {"BASE": BASE, "BUILD_BASE": BUILD} if standins else {}
    arguments = {"VERSION": VERSION, "REVISION": revision(), **bases}
    options = [part for key, value in arguments.items() for part in ("--build-arg", f"{key}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        options += handed_over(env, Path(folder))
        for target in targets:
            say(f"· building {name(target, tag)}")
            docker.run(
                "build", "--quiet", "--file", DOCKERFILE, "--target", target, "--tag", name(target, tag),
                *options, ROOT,
            )  # fmt: skip


def revision() -> str:
    """The commit that is built, with `-changed` when the folder differs from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--abbrev=40", "--dirty=-changed", "--exclude=*"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return said.stdout.strip() or "unknown"


def handed_over(env: Mapping[str, str], folder: Path) -> Iterator[str]:
    """Options that give the build what this machine has in `MIRRORS`; what is written for it, in `folder`."""
    for secret, (variable, *places) in MIRRORS.items():
        paths = (Path(one).expanduser() for one in (env.get(variable, ""), *places) if one)
        found = next((path for path in paths if path.is_file()), None)
        holds, form = ADDRESSES.get(secret, ("", ""))
        if address := env.get(holds):
            found = folder / secret
            found.write_text(form.format(address))
        if found:
            yield from ("--secret", f"id={secret},src={found}")
