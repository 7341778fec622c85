"""deploy/compose.yaml: its settings and secrets made once, and `docker compose` with them."""

import base64
import secrets
import shutil
from pathlib import Path
from urllib.parse import quote

from deploy.stack.databases import ROLES, SCHEMAS
from deploy.stack.services import simulated_catalogue
from deploy.stack.settings import ROOT

FILE = ROOT / "deploy" / "compose.yaml"
EXAMPLE = ROOT / "deploy" / "compose.env.example"
SETTINGS, SECRETS = ROOT / "deploy" / ".env", ROOT / "deploy" / "secrets"
DATABASE = "mortarboard"
SIMULATOR = "http://simulator:8080"


def prepare(settings: Path = SETTINGS, folder: Path = SECRETS) -> list[Path]:
    """Make the settings and the secrets that are not there yet; return what was made.

    Containers see a secret's file as it is, and none of them runs as the user who made it: so the files can
    be read by all, whatever the umask, and the folder above them by its owner alone.
    """
    made = []
    if not settings.exists():
        shutil.copyfile(EXAMPLE, settings)
        made.append(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / "roles").mkdir(exist_ok=True)
    (folder / "roles").chmod(0o755)
    passwords = {role: _kept(folder / "roles" / role, secrets.token_urlsafe(24), made) for role in ROLES}
    admin = _kept(folder / "postgres-password", secrets.token_urlsafe(24), made)
    _kept(folder / "postgres-admin-url", _url("postgres", admin, "postgres"), made)
    for schema in SCHEMAS:
        name = schema.replace("_", "-")
        for role, what in ((schema, "database-url"), (f"{schema}_http", "database-http-url")):
            _kept(folder / f"{name}-{what}", _url(role, passwords[role], DATABASE), made)
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
    if not path.exists():
        path.write_text(fresh + "\n")
        made.append(path)
    path.chmod(0o444)
    return path.read_text().strip()


def command(program: Path, *arguments: str, project: str = "", settings: Path = SETTINGS) -> list[str]:
    """`docker compose` for our file, as a list of words."""
    named = ["--project-name", project] if project else []
    return [str(program), "--file", str(FILE), "--env-file", str(settings), *named, *arguments]
