"""`./dev COMMAND`: reads the arguments and hands over to the file that has the command."""

# ruff: noqa: E402
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules load: end, without a traceback

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Callable

from deploy.stack.settings import SettingsError, from_environment

EPILOG = """\
settings (environment):
  MORTARBOARD_RUN           folder of the running stack: data, logs, state (default .run)
  MORTARBOARD_CACHE         folder of what is fetched once (default .dev/cache)
  MORTARBOARD_STACK         local (default), or external with MORTARBOARD_KAFKA_BOOTSTRAP and
                            MORTARBOARD_POSTGRES_ADMIN_URL; for tests also containers
  MORTARBOARD_PORT_OFFSET   moves all ports; MORTARBOARD_KAFKA_PORT, MORTARBOARD_POSTGRES_PORT,
                            MORTARBOARD_DIALOG_SVC_PORT and so on move one (deploy/README.md lists them)
  MORTARBOARD_LOG_LEVEL     of the services (default info)
"""


Adder = Callable[..., argparse.ArgumentParser]


class _Wide(argparse.RawDescriptionHelpFormatter):
    """One line a command."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=24, width=110)


def main() -> None:
    """Run one command; its exit status is ours."""
    arguments = parser().parse_args()
    try:
        settings = from_environment()
    except SettingsError as error:
        sys.exit(f"./dev: {error}")
    settings.temporary.mkdir(parents=True, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(settings.temporary)
    command = importlib.import_module(f"deploy.cli.{arguments.module}")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(getattr(command, arguments.function)(settings, arguments))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def parser() -> argparse.ArgumentParser:
    """All commands with one line of help each; a command's module is loaded only when it runs."""
    whole = argparse.ArgumentParser(
        prog="./dev",
        description="Mortarboard on one machine: real Kafka, real PostgreSQL, five services.",
        epilog=EPILOG,
        formatter_class=_Wide,
    )
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, text: str, module: str, function: str = "run") -> argparse.ArgumentParser:
        own = name == "demo"  # it reads its options itself; argparse would refuse those that come first
        prefix = "+" if own else "-"
        command = commands.add_parser(
            name, help=text, description=text, add_help=not own, prefix_chars=prefix
        )
        command.set_defaults(module=module, function=function)
        return command

    demo = add("demo", "play the whole loop, from live dialogs to a trained model in service", "demo")
    demo.add_argument("rest", nargs=argparse.REMAINDER, help="see ./dev demo --help")
    _stack_commands(add)
    _work_commands(add)
    _broker_commands(add)
    _container_commands(add)
    return whole


def _stack_commands(add: Adder) -> None:
    up = add("up", "start the stack and stay in the foreground until Ctrl-C", "up", "up")
    up.add_argument("--detach", action="store_true", help="return when all is ready, leave it running")
    up.add_argument("--fresh", action="store_true", help="forget the data of earlier runs first")
    up.add_argument("--secure", action="store_true", help="TLS, passwords and rights on Kafka and PostgreSQL")
    down = add("down", "stop the stack, or what a killed launcher left of it", "up", "down")
    down.add_argument("--wipe", action="store_true", help="also remove its data")
    seed = add("seed", "fill the running stack with data to look at", "seed")
    seed.add_argument("what", choices=("states",), help="states: every state that a page can show")
    shots = add(
        "screenshots", "photograph every page, in both languages, light and dark, into docs/", "screenshots"
    )
    shots.add_argument("--into", help="another folder")
    shots.add_argument("--only", help="only the pages whose name contains this")
    add("status", "processes with pid, port, health and memory", "status")
    add("retention", "what is kept for a time only: how much of it, and what goes next", "retention")
    logs = add("logs", "show the log of a process", "logs")
    logs.add_argument("service", nargs="?", help="without it: which logs there are")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    logs.add_argument("-n", "--lines", type=int, default=200, help="how many last lines (default 200)")


def _work_commands(add: Adder) -> None:
    add("check", "lint, types, import rules, generated files, migrations; no servers", "check")
    test = add("test", "what CI runs: check, unit, contract, integration and end-to-end tests", "test")
    test.add_argument(
        "part",
        nargs="?",
        default="all",
        help="all, check, or a folder of tests/ such as unit; several by commas",
    )
    test.add_argument("rest", nargs=argparse.REMAINDER, help="passed on to pytest")
    bench = add("bench", "measure one thing; without a name: list them", "bench")
    bench.add_argument("name", nargs="?")
    bench.add_argument("rest", nargs=argparse.REMAINDER, help="passed on to the benchmark")
    add("assets", "build what the console's pages load, when any of it changed", "assets")
    lock = add("lock", "make requirements.lock again from the pyproject.toml files", "lock")
    lock.add_argument("--upgrade", action="store_true", help="take newer versions")
    lock.add_argument("--images", action="store_true", help="make the lists of what each image holds again")
    migrations = add("migrations", "list the migrations: released, new or changed", "migrations")
    migrations.add_argument(
        "--release", action="store_true", help="record the new ones: they may not change again"
    )


def _container_commands(add: Adder) -> None:
    images = add("images", "build the images, on the Docker engine that answers", "images")
    images.add_argument("target", nargs="*", help="only these; without it: all")
    images.add_argument(
        "--standins", action="store_true", help="on bases made of packages, where no image registry answers"
    )
    compose = add("compose", "docker compose for deploy/compose.yaml; `compose prepare` first", "compose")
    compose.add_argument(
        "rest", nargs=argparse.REMAINDER, help="prepare [--new-secrets], or what docker compose is to do"
    )
    add("engine", "keep a Docker engine of our own until Ctrl-C (root, Debian's docker.io)", "images", "keep")


def _broker_commands(add: Adder) -> None:
    """mortarboardctl's commands, whose options load only when one of them is asked for."""
    topics = add(
        "topics", "declared topics as the broker has them; plan and apply show and make them", "topics"
    )
    letters = add("dlt", "dead letters: list them, show them, replay them", "dlt")
    if "topics" in sys.argv[1:2]:
        topics.add_argument("action", nargs="?", choices=("list", "plan", "apply"), default="list")
        importlib.import_module("deploy.ctl.topics").arguments(topics)
    if "dlt" in sys.argv[1:2]:
        importlib.import_module("deploy.ctl.dlt").arguments(letters)


if __name__ == "__main__":
    main()
