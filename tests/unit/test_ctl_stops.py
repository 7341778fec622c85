"""mortarboardctl is told to stop: in a container it is process 1, which no signal ends by itself."""

from __future__ import annotations

import signal
import subprocess
import sys

from deploy.stack.settings import ROOT

PROGRAM = """
import asyncio, sys
from deploy.ctl import __main__ as ctl, objects
async def check():
    try:
        print("at work", flush=True)
        await asyncio.sleep(60)
    finally:
        print("tidied up", flush=True)
objects.check = check
sys.argv = ["mortarboardctl", "objects", "check"]
sys.exit(ctl.main())
"""


def test_sigterm_ends_what_is_at_hand_in_order() -> None:
    command = [sys.executable, "-P", "-c", PROGRAM]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as ctl:
        assert ctl.stdout
        assert ctl.stdout.readline() == "at work\n"
        ctl.send_signal(signal.SIGTERM)
        assert ctl.stdout.read() == "tidied up\n"
    assert ctl.returncode == 128 + signal.SIGTERM
