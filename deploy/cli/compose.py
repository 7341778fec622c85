"""`./dev compose`: `docker compose` for deploy/compose.yaml, and what it needs before its first start."""

import argparse
import subprocess
import sys

from deploy.containers import compose
from deploy.containers.tools import ToolError, tool
from deploy.stack.settings import ROOT, StackSettings

NEW = "--new-secrets"


def run(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """Prepare, or run `docker compose` with the words given."""
    if arguments.rest[:1] == ["prepare"]:
        return _prepare(arguments.rest[1:])
    if not compose.SETTINGS.exists():
        print("./dev compose: first ./dev compose prepare", file=sys.stderr)
        return 2
    try:
        command = compose.command(tool("docker-compose", settings), *arguments.rest)
    except ToolError as error:
        print(f"./dev compose: {error}", file=sys.stderr)
        return 1
    return subprocess.run(command, check=False).returncode


def _prepare(options: list[str]) -> int:
    if options not in ([], [NEW]):
        print(f"./dev compose prepare: takes {NEW} and nothing else", file=sys.stderr)
        return 2
    try:
        if not options:
            compose.must_not_lose()
        made = compose.prepare()
    except (compose.SecretsLostError, OSError) as error:
        print(f"./dev compose prepare: {error}", file=sys.stderr)
        return 1
    for path in made:
        print(f"made {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}")
    return 0
