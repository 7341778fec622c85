"""`./dev images` and `./dev engine`."""

import argparse
import os
import signal
import sys

from deploy.containers import images, standins
from deploy.containers.engine import EngineError, engine
from deploy.containers.tools import ToolError
from deploy.stack.foreground import say
from deploy.stack.settings import StackSettings


def run(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """Build images; a stand-in base and stand-ins for the servers first, where asked for."""
    targets = tuple(arguments.target) or images.TARGETS
    if unknown := set(targets) - set(images.TARGETS):
        print(f"./dev images: {sorted(unknown)[0]} is none of {', '.join(images.TARGETS)}", file=sys.stderr)
        return 2
    try:
        with engine(settings) as docker:
            if arguments.standins:
                standins.build(docker, settings, say)
            images.build(docker, os.environ, targets, standins=arguments.standins, say=say)
    except (EngineError, ToolError) as error:
        print(f"./dev images: {error}", file=sys.stderr)
        return 1
    return 0


def keep(settings: StackSettings, _: argparse.Namespace) -> int:
    """Say how to reach the engine and stay until Ctrl-C; it is ended when it is ours."""
    try:
        with engine(settings) as docker:
            say(f"export DOCKER_HOST={docker.host}")
            signal.pause()
    except EngineError as error:
        print(f"./dev engine: {error}", file=sys.stderr)
        return 1
    return 0
