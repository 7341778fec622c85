"""The console over all services, filled: dialogs, and the owner's way walked once."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from deploy.stack import assets
from deploy.stack.settings import from_environment
from tests.bench._stage import issuer_of, stage
from tests.browser.world import fill
from tests.e2e.world import Loop, loop_world, walk
from tests.harness import Running, console_service


@asynccontextmanager
async def full_console(name: str) -> AsyncIterator[tuple[Loop, Running, str]]:
    """What runs, the console, and the issuer's address; on servers of its own."""
    assets.build(from_environment())
    async with stage(name) as (_, surroundings):
        with tempfile.TemporaryDirectory(dir=surroundings.objects.parent) as place:
            folder = Path(place)
            async with (
                issuer_of(folder) as issuer,
                loop_world(replace(surroundings, issuer=issuer), folder) as loop,
            ):
                await fill(loop)
                await walk(loop)
                addresses = {service: one.url for service, one in loop.services.items()}
                async with console_service(loop.surroundings, loop.logs, addresses) as running:
                    yield loop, running, issuer
