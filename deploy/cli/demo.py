"""`./dev demo`: hands over to deploy.demo."""

import argparse
import importlib

from deploy.stack.settings import StackSettings


def run(_: StackSettings, arguments: argparse.Namespace) -> int:
    """Run the demo with the rest of the command line."""
    return int(importlib.import_module("deploy.demo").main(arguments.rest))
