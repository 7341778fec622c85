"""`./dev assets`: build what the console's pages load."""

import argparse
import sys

from deploy.stack import assets
from deploy.stack.foreground import say
from deploy.stack.processes import ProcessError
from deploy.stack.settings import ROOT, StackSettings


def run(settings: StackSettings, _: argparse.Namespace) -> int:
    """Build them when anything changed, and say where they are."""
    try:
        assets.build(settings, say)
    except ProcessError as error:
        print(f"./dev assets: {error}", file=sys.stderr)
        return 1
    print(assets.BUILT.relative_to(ROOT))
    return 0
