"""`./dev compose`: `docker compose` for deploy/compose.yaml, and what it needs before its first start."""

import argparse
import subprocess
import sys

from deploy.containers import compose
from deploy.containers.tools import ToolError, tool
from deploy.stack.settings import ROOT, StackSettings


def run(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """Prepare, or run `docker compose` with the words given."""
    if arguments.rest[:1] == ["prepare"]:
        for path in compose.prepare():
            print(f"made {path.relative_to(ROOT)}")
        return 0
    if not compose.SETTINGS.exists():
        print("./dev compose: first ./dev compose prepare", file=sys.stderr)
        return 2
    try:
        command = compose.command(tool("docker-compose", settings), *arguments.rest)
    except ToolError as error:
        print(f"./dev compose: {error}", file=sys.stderr)
        return 1
    return subprocess.run(command, check=False).returncode
