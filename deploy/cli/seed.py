"""`./dev seed states`: fills the running stack with data to look at."""

import argparse
import asyncio
import sys
import time

from deploy.demo.backend import chat_backend
from deploy.demo.owner import RefusedError, signed_in
from deploy.demo.places import Places
from deploy.demo.show import Show
from deploy.seed.states import Say, States
from deploy.stack.foreground import say
from deploy.stack.settings import StackSettings
from deploy.stack.state import State

TENANT = "acme"


def run(settings: StackSettings, _: argparse.Namespace) -> int:
    """Fill it; exit status 3 when nothing runs."""
    state = State.read(settings.state_file)
    if not state or not state.launcher.alive:
        print("nothing runs: ./dev up starts it", file=sys.stderr)
        return 3
    began = time.monotonic()
    try:
        asyncio.run(_fill(settings, lambda text: say(f"{time.monotonic() - began:5.1f} s  {text}")))
    except RefusedError as error:
        print(f"./dev seed: {error}", file=sys.stderr)
        return 1
    console = f"http://127.0.0.1:{settings.ports['console-svc']}"
    say(f"open {console} as Olga of {TENANT}; Grace of globex has nothing yet")
    return 0


async def _fill(settings: StackSettings, told: Say) -> None:
    places = Places.running(settings)
    async with (
        signed_in(places.urls, TENANT, Show()) as owner,
        chat_backend(places.kafka, TENANT) as backend,
    ):
        owner.quiet = True
        await States(owner, backend, told).fill()
