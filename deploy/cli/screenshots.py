"""`./dev screenshots`: starts a fresh stack, fills it, photographs every page."""

import argparse
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from deploy.demo.backend import chat_backend
from deploy.demo.owner import Owner, RefusedError, signed_in
from deploy.demo.places import Places
from deploy.demo.show import Show
from deploy.seed.browser import NoBrowserError, browser
from deploy.seed.pictures import NoPictureError, Photographer
from deploy.seed.scenes import SCENES
from deploy.seed.states import PATIENCE_S, Filled, States
from deploy.stack.foreground import run_stack, say
from deploy.stack.processes import Process, http_ok
from deploy.stack.services import CONSOLE, SERVICES, console_addresses
from deploy.stack.settings import ROOT, StackSettings, free_ports
from deploy.stack.stack import Stack

TENANT = "acme"
FOLDER = ROOT / "docs" / "screenshots"


def run(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """Take them; exit status 1 when something does not work."""
    into = Path(arguments.into) if arguments.into else FOLDER
    scenes = [scene for scene in SCENES if (arguments.only or "") in scene.name]

    async def play(stack: Stack) -> int:
        async with browser():
            pass  # rather now than when everything else is done
        urls = {name: stack.url(name) for name in ("issuer", *(service.name for service in SERVICES))}
        async with (
            signed_in(urls, TENANT, Show()) as owner,
            chat_backend(Places.of_stack(stack).kafka, TENANT) as backend,
        ):
            owner.quiet = True
            filled = await States(owner, backend, say).fill()
            await _wait_for_training(owner, filled)
        async with _lonely(stack) as lonely, browser() as chrome:
            consoles = {"console": stack.url(CONSOLE.name), "lonely": lonely}
            await Photographer(chrome, consoles, filled, into).take(scenes, say)
        say(f"the pictures are in {into}")
        return 0

    try:
        return run_stack(replace(settings, data_name="screenshots"), play, wipe=True)
    except (NoBrowserError, NoPictureError, RefusedError) as error:
        print(f"./dev screenshots: {error}", file=sys.stderr)
        return 1


async def _wait_for_training(owner: Owner, filled: Filled) -> None:
    """The slow run has to be under way."""
    say("waiting until the slow training is under way")
    await owner.run_until(filled.runs["training"], {"training"}, PATIENCE_S)


@asynccontextmanager
async def _lonely(stack: Stack) -> AsyncIterator[str]:
    """A second console, which looks for training-svc where nobody answers."""
    http, ops, nobody = free_ports(3)
    url = f"http://127.0.0.1:{http}"
    place = {"training-svc": f"http://127.0.0.1:{nobody}"}
    own = stack.surroundings.environment(CONSOLE.name, http_port=http, ops_port=ops, instance="lonely")
    own |= console_addresses(url, lambda name: place.get(name) or stack.url(name))
    log = stack.settings.logs / "console-lonely.log"
    process = Process("console-lonely", CONSOLE.command, log=log, env={**os.environ, **own}, cwd=ROOT)
    process.start()
    try:
        await process.ready(lambda: http_ok(f"http://127.0.0.1:{ops}/readyz"), 30)
        yield url
    finally:
        await process.stop()
