"""`./dev logs SERVICE [-f]`."""

import argparse
import sys
import time
from collections import deque

from deploy.stack.settings import StackSettings


def run(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """Print the end of a log and, with --follow, what comes after it."""
    names = sorted(path.stem for path in settings.logs.glob("*.log"))
    if arguments.service not in names:
        print(f"logs in {settings.logs}: {', '.join(names) or 'none yet'}")
        return 0 if not arguments.service else 2
    with (settings.logs / f"{arguments.service}.log").open(errors="replace") as log:
        sys.stdout.writelines(deque(log, arguments.lines))
        sys.stdout.flush()
        while arguments.follow:
            sys.stdout.write(log.read())
            sys.stdout.flush()
            time.sleep(0.2)
    return 0
