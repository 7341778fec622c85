"""Containers are killed under load, Kafka's too: nothing is lost, doubled, stuck or out of order."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time

import pytest

from deploy.containers.images import SERVICES
from tests.chaos.ledger import FAULTS, check, drained
from tests.chaos.load import Ledger, publish_load
from tests.deploy.composition import Composition, image
from tests.harness import until

DIALOGS, LENGTH, SECONDS = 240, 20, 30.0
KILLS = (*("dialog-svc", "dataset-svc") * 3, "training-svc", "agent-svc", "console-svc", "kafka", "postgres")


@pytest.mark.timeout(300)
async def test_killed_containers_come_back_and_lose_nothing(
    composition: Composition, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("MORTARBOARD_LEDGER_SEED") or random.randrange(10**6))
    ledger, began, killed = Ledger(), time.monotonic(), list(KILLS)
    here = composition.surroundings
    random.Random(seed).shuffle(killed)
    loading = asyncio.create_task(
        publish_load(here, ledger, seed, dialogs=DIALOGS, length=LENGTH, seconds=SECONDS)
    )
    for name in killed:
        await asyncio.sleep(1.0)
        await asyncio.to_thread(kill, composition, name)
    await loading
    await until(lambda: drained(here, ledger), within=150, what=f"drained (seed {seed})")
    report = await check(here, ledger) | {"kills": len(killed), "seed": seed}
    with capsys.disabled():
        took = time.monotonic() - began
        print(f"\n  {took:6.1f} s  load and kills; ledger: {json.dumps(report)}", flush=True)
    assert report["messages"] == DIALOGS * LENGTH
    assert not any(report[fault] for fault in FAULTS), report
    await asyncio.to_thread(composition.run, "up", "--detach", "--wait")
    for name in SERVICES:
        assert composition.state(name)["State"]["Health"]["Status"] == "healthy", name


def kill(composition: Composition, name: str) -> None:
    """SIGKILL to a container's process, as when memory runs out; the engine's policy brings it back.

    `docker kill` would count as somebody's wish, after which the engine leaves it stopped.
    """
    if pid := composition.state(name)["State"]["Pid"]:
        try:
            os.kill(pid, signal.SIGKILL)
        except PermissionError:  # who may use the engine need not be root, but in a container is
            program = f"import os; os.kill({pid}, 9)"
            python = ("--entrypoint=/opt/venv/bin/python", image("mortarboardctl"), "-c", program)
            composition.docker.run("run", "--rm", "--pid=host", "--network=none", "--user=0", *python)
