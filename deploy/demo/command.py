"""The command line of the demo, and its stack: always fresh data, beside those of `./dev up`."""

import argparse
import asyncio
import json
import secrets
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from aiokafka.errors import KafkaError

from deploy.demo.backend import SilenceError, chat_backend
from deploy.demo.closing import try_next
from deploy.demo.dialogs import OWN, DialogsError, load
from deploy.demo.owner import RefusedError, signed_in
from deploy.demo.places import Places
from deploy.demo.play import FailedError, Play
from deploy.demo.script import Result, Script
from deploy.demo.show import Show
from deploy.stack.settings import from_environment

if TYPE_CHECKING:  # servers are started here only; an image that plays has none
    from deploy.stack.stack import Stack

EXPECTED = (DialogsError, FailedError, RefusedError, SilenceError, httpx.HTTPError, KafkaError)
DATA = "demo"


def main(arguments: list[str]) -> int:
    """Run the demo; 0 when the loop ran whole, 130 when interrupted."""
    asked = parser().parse_args(arguments)
    show, result = Show(), Result()
    try:
        script = Script.of(load(asked.dialogs))
    except DialogsError as error:
        result.error = str(error)
        return _close(1, result, show, once=asked.once)
    if asked.running:
        return _on_running(Places.running(from_environment()), script, show, result, once=asked.once)
    settings = replace(from_environment(), data_name=DATA)
    settings = settings.secured() if asked.secure else settings
    # servers that are somebody else's are not fresh: a tenant of its own is
    tenant = "acme" if settings.mode == "local" else f"demo-{secrets.token_hex(4)}"
    began = time.monotonic()

    async def play(stack: "Stack") -> int:
        result.seconds["stack"] = round(time.monotonic() - began, 2)
        places = Places.of_stack(stack)
        if status := await _perform(places, tenant, script, show, result, began):
            return status
        if not asked.once:
            try_next(places, tenant, script, show)
            await asyncio.Event().wait()
        return 0

    from deploy.stack.foreground import run_stack

    show.step("Starting Kafka, PostgreSQL, the provider simulator and five services")
    status = run_stack(settings, play, wipe=True, say=lambda text: show.line(f"  {text}", "dim"))
    if status == 1 and not result.error:
        result.error = "the stack did not start"
    return _close(status, result, show, once=asked.once)


def parser() -> argparse.ArgumentParser:
    """The demo's own arguments."""
    whole = argparse.ArgumentParser(
        prog="./dev demo",
        description="Play the whole loop on real servers: live dialogs in, a trained model in service. "
        "The stack stays up until Ctrl-C; its data are made afresh each time.",
    )
    whole.add_argument("--once", action="store_true", help="stop when done; the last line is one JSON object")
    whole.add_argument(
        "--secure", action="store_true", help="with TLS, passwords and rights on Kafka and PostgreSQL"
    )
    whole.add_argument(
        "--running",
        action="store_true",
        help="play on the stack that runs: ./dev up, compose, or where MORTARBOARD_DIALOG_URL and so on say",
    )
    whole.add_argument(
        "--dialogs",
        type=Path,
        default=OWN,
        metavar="FILE",
        help="other dialogs: JSONL, also gzipped, a dialog a line with dialog_id, agent_id, prompt, tools, "
        "outcome, messages",
    )
    return whole


def _on_running(places: Places, script: Script, show: Show, result: Result, *, once: bool) -> int:
    """Play on a stack that somebody else started, as a tenant of our own; it stays as it is."""
    tenant, began = f"demo-{secrets.token_hex(4)}", time.monotonic()
    show.step(f"Playing on the running stack as {tenant}")
    status = asyncio.run(_perform(places, tenant, script, show, result, began))
    if status == 0 and not once:
        try_next(places, tenant, script, show)
    return _close(status, result, show, once=once)


async def _perform(
    places: Places, tenant: str, script: Script, show: Show, result: Result, began: float
) -> int:
    """Play it; 0 when the loop ran whole, else 1 and why in the result."""
    try:
        async with (
            signed_in(places.urls, tenant, show) as owner,
            chat_backend(places.kafka, tenant) as backend,
        ):
            await Play(script, owner, backend, show, result).all()
    except EXPECTED as error:
        result.error = str(error) or type(error).__name__
        return 1
    finally:
        result.seconds["total"] = round(time.monotonic() - began, 2)
    return 0


def _close(status: int, result: Result, show: Show, *, once: bool) -> int:
    """The last words; with `--once` the last line is the result as JSON."""
    if result.error:
        show.line(f"./dev demo: {result.error}", "bold red")
    elif status == 0 and once:
        show.line(f"\nDone in {result.seconds['total']:.0f} s.", "bold green")
    if once:
        print(json.dumps(asdict(result), ensure_ascii=False), flush=True)
    return status
