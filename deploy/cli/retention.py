"""`./dev retention`: what each service keeps for a time only, and what goes next."""

import argparse
import asyncio
from typing import Any

import httpx

from deploy.ctl.tables import table
from deploy.stack.settings import StackSettings
from deploy.stack.state import State


def run(settings: StackSettings, _: argparse.Namespace) -> int:
    """Print a line a kind; exit status 3 when nothing runs, 1 when a service does not answer."""
    state = State.read(settings.state_file)
    if not state:
        print("nothing runs (./dev up starts it)")
        return 3
    ports = {
        name: entry.health.removesuffix("/readyz")
        for name, entry in sorted(state.processes.items())
        if entry.alive and entry.health.endswith("/readyz")
    }
    answers = asyncio.run(_ask(ports))
    rows = [row for name, kinds in answers.items() for row in map(_row, [name] * len(kinds), kinds)]
    print(table(("service", "kind", "days", "rows", "table kB", "oldest", "due", "due in 7 days"), rows))
    missing = [name for name in ports if name not in answers]
    if missing:
        print(f"\nno answer from {', '.join(missing)}")
    return 1 if missing else 0


async def _ask(ports: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """The kinds of each service that answers; one that has none, like the issuer, is left out."""
    found: dict[str, list[dict[str, Any]]] = {}
    async with httpx.AsyncClient(timeout=35.0, trust_env=False) as client:
        for name, address in ports.items():
            try:
                answer = await client.get(f"{address}/retention")
            except httpx.HTTPError:
                continue
            found[name] = answer.json()["kinds"] if answer.is_success else []
    return found


def _row(service: str, kind: dict[str, Any]) -> tuple[object, ...]:
    oldest = str(kind["oldest"] or "")[:10]
    return (
        service, kind["kind"], f"{kind['days']:g}" if kind["days"] else "for ever", kind["rows"],
        kind["table_bytes"] // 1000, oldest, kind["due"], kind["due_in_7_days"],
    )  # fmt: skip
