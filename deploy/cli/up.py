"""`./dev up` and `./dev down`."""

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

from deploy.stack import files
from deploy.stack.foreground import run_stack, say
from deploy.stack.services import ALL
from deploy.stack.settings import DATA_NAMES, ROOT, StackSettings
from deploy.stack.stack import Stack
from deploy.stack.state import State, stop_leftovers

DOWN_WITHIN_S = 90.0


def up(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """Start the stack; in the foreground until Ctrl-C, or detached."""
    if arguments.detach:
        return _detached(settings, fresh=arguments.fresh, secure=arguments.secure)
    settings = settings.secured() if arguments.secure else settings
    began = time.monotonic()

    async def play(stack: Stack) -> int:
        say(f"all services are ready after {time.monotonic() - began:.1f} s; Ctrl-C stops them\n")
        say(addresses(stack))
        await asyncio.Event().wait()
        return 0

    return run_stack(settings, play, wipe=arguments.fresh)


def addresses(stack: Stack) -> str:
    """Where everything answers, one line each."""
    lines = [f"  {service.name:13} {stack.url(service.name)}" for service in ALL]
    lines[0] += "   ← open it in a browser"
    lines += [f"  {name:13} {stack.url(name)}" for name in ("simulator", "issuer")]
    lines += [f"  {'kafka':13} {stack.surroundings.kafka_bootstrap}", f"  {'data':13} {stack.settings.data}"]
    return "\n".join(lines)


def _detached(settings: StackSettings, *, fresh: bool, secure: bool) -> int:
    """Start the launcher in a session of its own and wait until everything is ready or it ended."""
    settings.run.mkdir(parents=True, exist_ok=True)
    log = settings.run / "launcher.log"
    command = [sys.executable, "-P", "-m", "deploy.cli", "up", *(["--fresh"] if fresh else [])]
    command += ["--secure"] if secure else []
    with log.open("wb") as output:
        launcher = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT, start_new_session=True
        )
    with log.open() as lines:
        try:
            while True:
                ended = launcher.poll() is not None
                sys.stdout.write(lines.read())
                sys.stdout.flush()
                if ended:
                    return launcher.returncode or 1
                state = State.read(settings.state_file)
                if state and state.ready and state.launcher.pid == launcher.pid:
                    return 0
                time.sleep(0.1)
        except KeyboardInterrupt:
            launcher.send_signal(signal.SIGINT)
            launcher.wait()
            raise


def down(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """Ask the launcher to stop and wait for it; stop leftovers when it is gone."""
    state = State.read(settings.state_file)
    if state and state.launcher.alive:
        say(f"stopping the stack of process {state.launcher.pid}")
        with suppress(ProcessLookupError):
            os.kill(state.launcher.pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_WITHIN_S
    while True:
        try:
            with files.locked(settings.run / "lock", wait=False):
                left = asyncio.run(stop_leftovers(settings.state_file))
                if arguments.wipe:
                    for name in DATA_NAMES:
                        shutil.rmtree(settings.run / name, ignore_errors=True)
            break
        except files.BusyError:
            if time.monotonic() > deadline:
                say("it has not stopped yet: ./dev status")
                return 1
            time.sleep(0.1)
    while state and state.launcher.alive and time.monotonic() < deadline:
        time.sleep(0.02)  # it let go of the lock and is about to end
    if left:
        say(f"stopped what a killed launcher had left: {', '.join(left)}")
    say("stopped" if state else "nothing was running")
    return 0
