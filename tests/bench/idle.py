"""Resident memory of each service some seconds after the stack is ready. `start` runs the same stack."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from tempfile import TemporaryDirectory

import psutil

from deploy.stack.services import ALL
from deploy.stack.settings import from_environment
from tests.bench._stage import result
from tests.harness import ROOT, free_port

OFFSETS = 10_000


def with_stack(seconds: float) -> tuple[float, dict[str, float]]:
    """(seconds from command to "all services ready", resident MB by service) of one `./dev up`."""
    refused = None
    for _ in range(3):  # the ports of an offset chosen at random may be taken
        try:
            return _once(seconds)
        except RuntimeError as error:
            refused = error
    raise RuntimeError("the stack did not start") from refused


def _once(seconds: float) -> tuple[float, dict[str, float]]:
    parent = from_environment().run
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=parent) as folder:
        offset = str(free_port() % OFFSETS + OFFSETS)
        environment = {**os.environ, "MORTARBOARD_RUN": folder, "MORTARBOARD_PORT_OFFSET": offset}
        began = time.monotonic()
        up = subprocess.run(
            [sys.executable, str(ROOT / "dev"), "up", "--detach"], env=environment, cwd=ROOT, check=False
        )
        ready = time.monotonic() - began
        try:
            if up.returncode:
                raise RuntimeError("the stack did not start")
            time.sleep(seconds)
            return ready, _memory()
        finally:
            subprocess.run(
                [sys.executable, str(ROOT / "dev"), "down"], env=environment, cwd=ROOT, check=False
            )


def _memory() -> dict[str, float]:
    found: dict[str, float] = {}
    for process in psutil.process_iter(["cmdline", "memory_info"]):
        command: list[str] = process.info["cmdline"] or []
        for service in ALL:
            if command[-1:] == [service.package]:
                found[service.name] = round(process.info["memory_info"].rss / 1_000_000, 1)
    return found


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench idle", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    _, memory = with_stack(parser.parse_args().seconds)
    result(**{name: {"rss_mb": value} for name, value in sorted(memory.items())})


if __name__ == "__main__":
    main()
