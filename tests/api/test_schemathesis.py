"""Every endpoint under schemathesis: what its description allows is taken, all else refused in good order."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deploy.stack.services import SERVICES, Surroundings
from tests.e2e.world import Loop, loop_world, walk
from tests.harness import token

PHASES = "examples,coverage,fuzzing,stateful"
IDS = (
    "dialog", "agent", "dataset", "example", "run", "model", "test_dialog", "hook", "erasure", "value",
)  # fmt: skip


@pytest.fixture
async def world(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[Loop]:
    async with loop_world(surroundings, tmp_path) as loop:
        await walk(loop)
        yield loop


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [one.name for one in SERVICES])
async def test_the_api_keeps_to_its_description(name: str, world: Loop, tmp_path: Path) -> None:
    status, output = await _schemathesis(world, name, tmp_path)
    print(output[-3_000:])
    assert status == 0, output[-20_000:]


async def _schemathesis(world: Loop, name: str, folder: Path) -> tuple[int | None, str]:
    """Exit status and output of the command, which draws its cases from the service's own description."""
    running = world.services[name]
    bearer = await token(world.surroundings.issuer)
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"), "--config-file", _config(world, folder),
        "run", f"{running.ops}/openapi.json",
        "--url", running.url, "--header", f"Authorization: Bearer {bearer}",
        "--phases", PHASES, "--max-examples", os.environ.get("MORTARBOARD_API_EXAMPLES", "20"),
        "--seed", os.environ.get("MORTARBOARD_API_SEED", "1"), "--continue-on-failure",
        "--exclude-checks", "positive_data_acceptance", "--generation-database", "none", "--no-color",
        cwd=folder, env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.api.hooks"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode, output.decode(errors="replace")


def _config(world: Loop, folder: Path) -> Path:
    """Most paths name things that are there: without their ids nearly every answer would be a 404."""
    known: dict[str, Any] = {f"{name}_id": world.ids[name] for name in IDS}
    known["version"] = int(world.ids["version"])
    lines = [f"[dictionaries.{name}]\nvalues = [{json.dumps(value)}]" for name, value in known.items()]
    lines.append("[parameters]")
    lines += [f'"path.{name}" = {{ dictionary = "{name}", probability = 0.7 }}' for name in known]
    path = folder / "schemathesis.toml"
    path.write_text("\n".join(lines))
    return path
