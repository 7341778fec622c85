"""`./dev bench NAME`."""

import argparse
import os
import subprocess
import sys

from deploy.stack.settings import ROOT, StackSettings


def run(_: StackSettings, arguments: argparse.Namespace) -> int:
    """Run one benchmark in a process of its own, or list them."""
    names = sorted(path.stem for path in (ROOT / "tests" / "bench").glob("[!_]*.py"))
    if arguments.name not in names:
        print(f"benchmarks: {', '.join(names) or 'none yet'}")
        return 0 if not arguments.name else 2
    command = [sys.executable, "-P", "-m", f"tests.bench.{arguments.name}", *arguments.rest]
    return subprocess.run(command, cwd=ROOT, env=os.environ, check=False).returncode
