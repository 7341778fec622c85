"""`python -m deploy.simulator --port N --state DIR [--speed X] [--admin] [--listen-on-every-interface]`."""

import argparse
import os
from pathlib import Path

from deploy.simulator.app import create_app
from deploy.simulator.server import make_server


def _speed(given: str) -> float:
    speed = float(given)
    if not 0 < speed <= 10_000:  # noqa: PLR2004 - said in the message
        raise argparse.ArgumentTypeError("must be above 0 and at most 10000")
    return speed


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m deploy.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=18080)
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps files, jobs and models")
    parser.add_argument("--speed", type=_speed, default=2.0, help="divides a job's 14 seconds (default 2)")
    parser.add_argument(
        "--admin",
        action="store_true",
        default=os.environ.get("MORTARBOARD_SIMULATOR_ADMIN") == "1",
        help="open /_admin (faults, ledger); never where strangers can reach it",
    )
    parser.add_argument(
        "--listen-on-every-interface",
        action="store_true",
        help="for a container; publish its port on 127.0.0.1",
    )
    given = parser.parse_args()
    app = create_app(given.state, speed=given.speed, with_admin=given.admin)
    host = "0.0.0.0" if given.listen_on_every_interface else "127.0.0.1"  # noqa: S104 -- asked for in words
    make_server(app, given.port, host).run()


if __name__ == "__main__":
    main()
