"""deploy/compose.yaml: its settings and secrets made once, and `docker compose` with them."""

import base64
import os
import secrets
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

from dotenv import dotenv_values

from deploy.stack import files
from deploy.stack.databases import ROLES, SCHEMAS
from deploy.stack.services import simulated_catalogue
from deploy.stack.settings import ROOT

NAME, PLACE = "COMPOSE_PROJECT_NAME", "MORTARBOARD_SECRETS"
FILE = ROOT / "deploy" / "compose.yaml"
EXAMPLE = ROOT / "deploy" / "compose.env.example"
SETTINGS, SECRETS = ROOT / "deploy" / ".env", ROOT / "deploy" / "secrets"
PROJECT = "mortarboard"
"""The composition's name, where neither COMPOSE_PROJECT_NAME nor the settings say another."""
FOR_LIFE = ("master-key", "postgres-password")
"""Secrets that the data were made with: new ones do not open them."""
DATABASE = "mortarboard"
SIMULATOR = "http://simulator:8080"


class SecretsLostError(Exception):
    """The data of an earlier installation are there, and the secrets that they were made with are not."""


def must_not_lose(settings: Path = SETTINGS, folder: Path | None = None) -> None:
    """Raise SecretsLostError where new secrets would lock out data that are there, or might."""
    folder = folder or folder_of(settings)
    lacking = [name for name in FOR_LIFE if not _held(folder / name)]
    if not lacking:
        return
    project = project_of(settings)
    try:
        kept = volumes(project)
    except OSError as error:
        raise SecretsLostError(
            f"{folder} has no {' and no '.join(lacking)}, and whether data of an earlier installation are "
            f"there cannot be seen: {error}"
            "\n  Start Docker and run this again; or, where this is the first start: --new-secrets"
        ) from None
    if kept:
        raise SecretsLostError(
            f"{folder} has no {' and no '.join(lacking)}, but data made with them are there: "
            f"{', '.join(kept)}."
            "\n  Put back your copy of the folder, and run this again."
            "\n  Without a copy: --new-secrets makes new ones; owners must then enter their provider keys"
            "\n  again, and deploy/README.md (Lost secrets) says what comes before that."
            f"\n  Data that may go, all of them, for the rest fits no new database:"
            f"\n    docker compose --project-name {project} down --volumes"
        )


def project_of(settings: Path = SETTINGS) -> str:
    """The name under which docker compose keeps the composition, as it finds it itself."""
    return _told(settings, NAME) or PROJECT


def folder_of(settings: Path = SETTINGS) -> Path:
    """Where the composition has its secrets."""
    return FILE.parent / (_told(settings, PLACE) or SECRETS)


def _told(settings: Path, name: str) -> str:
    """A variable as docker compose reads it: the environment goes before the file, in which one may quote."""
    return os.environ.get(name) or dotenv_values(settings).get(name) or ""


def volumes(project: str) -> list[str]:
    """The database's volume of a composition, when there is one; raises OSError when no engine says."""
    labels = {"project": project, "volume": "postgres"}
    filters = [f"--filter=label=com.docker.compose.{key}={value}" for key, value in labels.items()]
    done = subprocess.run(
        ["docker", "volume", "ls", "--quiet", *filters], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OSError(done.stderr.strip() or "docker volume ls failed")
    return done.stdout.split()


def prepare(settings: Path = SETTINGS, folder: Path | None = None) -> list[Path]:
    """Make the settings and the secrets that are not there yet; return what was made.

    Containers see a secret's file as it is, and none of them runs as the user who made it: so the files can
    be read by all, whatever the umask, and the folder above them by its owner alone.
    """
    made = []
    if not settings.exists():
        shutil.copyfile(EXAMPLE, settings)
        made.append(settings)
    folder = folder or folder_of(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / "roles").mkdir(exist_ok=True)
    (folder / "roles").chmod(0o755)

    addresses = {"postgres-admin-url": ("postgres-password", "postgres", "postgres")}
    for schema in SCHEMAS:
        for role, what in ((schema, "database-url"), (f"{schema}_http", "database-http-url")):
            addresses[f"{schema.replace('_', '-')}-{what}"] = (f"roles/{role}", role, DATABASE)
    for name, (password, role, database) in addresses.items():
        if not _held(folder / password):
            (folder / name).unlink(missing_ok=True)  # with the lost password it would open nothing
        kept = _kept(folder / password, secrets.token_urlsafe(24), made)
        _kept(folder / name, _url(role, kept, database), made)
    for role in ROLES:
        _kept(folder / "roles" / role, secrets.token_urlsafe(24), made)
    _kept(folder / "master-key", base64.b64encode(secrets.token_bytes(32)).decode(), made)
    _kept(folder / "objects-access-key", f"mortarboard-{secrets.token_hex(4)}", made)
    _kept(folder / "objects-secret-key", secrets.token_urlsafe(32), made)
    _kept(folder / "grafana-password", secrets.token_urlsafe(16), made)
    _kept(folder / "catalogue.simulated.yaml", simulated_catalogue(SIMULATOR), made)
    return made


def _url(role: str, password: str, database: str) -> str:
    return f"postgresql://{role}:{quote(password, safe='')}@postgres:5432/{database}"


def _kept(path: Path, fresh: str, made: list[Path]) -> str:
    """Return what the file holds; the first time it holds `fresh`."""
    if not _held(path):
        files.write_whole(path, fresh + "\n")
        made.append(path)
    path.chmod(0o444)
    return path.read_text().strip()


def _held(path: Path) -> bool:
    """Whether a secret is there; a file without one, as a full disk leaves it, is none."""
    return path.exists() and bool(path.read_text().strip())


def command(program: Path, *arguments: str, project: str = "", settings: Path = SETTINGS) -> list[str]:
    """`docker compose` for our file, as a list of words."""
    named = ["--project-name", project] if project else []
    return [str(program), "--file", str(FILE), "--env-file", str(settings), *named, *arguments]
