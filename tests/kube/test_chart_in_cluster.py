"""The chart on a real cluster: installed, loaded, upgraded, hurt, rolled back, and removed; nothing is lost.

`./dev test kube`, with KUBECONFIG; MORTARBOARD_IMAGE_LOADER brings the images to the nodes.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from pathlib import Path

import pytest

from deploy.containers import images
from tests.chaos.ledger import FAULTS, check, drained
from tests.chaos.load import Ledger, publish_load
from tests.harness import until
from tests.kube.installation import RELEASE, Installation, bring, demo, installed

BEFORE, AFTER = images.VERSION, f"{images.VERSION}-changed"
DIALOGS, LENGTH, SECONDS = 600, 20, 150.0

pytestmark = pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="KUBECONFIG names no cluster")


@pytest.mark.timeout(1500)
async def test_install_upgrade_hurt_roll_back_uninstall(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds: dict[str, float] = {}

    def told(step: str, began: float) -> None:
        seconds[step] = round(time.monotonic() - began, 1)
        with capsys.disabled():
            print(f"  {seconds[step]:6.1f} s  {step}", flush=True)

    await bring((BEFORE, AFTER))
    began = time.monotonic()
    async with installed(tmp_path, BEFORE) as here:
        told("servers and chart installed, every pod ready", began)
        ledger, seed = Ledger(), random.randrange(10**6)
        loading = asyncio.create_task(
            publish_load(here.surroundings, ledger, seed, dialogs=DIALOGS, length=LENGTH, seconds=SECONDS)
        )
        began = time.monotonic()
        await here.deploy("upgrade", AFTER)
        told("upgraded under load", began)
        assert await here.versions() == {AFTER}
        began = time.monotonic()
        await _hurt(here, seed)
        told("pods killed under load, and back", began)
        began = time.monotonic()
        await here.helm("rollback", RELEASE, "1", "--wait", "--timeout", "300s")
        told("rolled back under load", began)
        assert await here.versions() == {BEFORE}
        assert not loading.done(), "the load ended before the rollback: make it longer"
        await loading
        await until(lambda: drained(here.surroundings, ledger), 180, f"drained (seed {seed})")
        report = await check(here.surroundings, ledger)
        with capsys.disabled():
            print(f"  ledger: {json.dumps(report | {'seed': seed})}", flush=True)
        assert not any(report[fault] for fault in FAULTS), report
        began = time.monotonic()
        result = await demo(here)
        told("the demo, from live dialogs to a model in service", began)
        assert result.status == "ready"
        assert result.answer_after != result.answer_before
        began = time.monotonic()
        await here.helm("uninstall", RELEASE, "--wait", "--timeout", "300s")
        await until(lambda: _gone(here), 120, "every pod gone")
        told("uninstalled", began)


async def _pods(here: Installation) -> list[dict[str, dict[str, str]]]:
    return await here.cluster.get("pods", f"app.kubernetes.io/instance={RELEASE}")


async def _gone(here: Installation) -> bool:
    return not await _pods(here)


async def _hurt(here: Installation, seed: int) -> None:
    """Kill pods without grace, consumers and APIs, a few at a time; wait until all are back."""
    dice = random.Random(seed)
    for _ in range(6):
        victims = dice.sample([pod["metadata"]["name"] for pod in await _pods(here)], 2)
        await here.cluster.kubectl("delete", "pod", *victims, "--grace-period=0", "--force", "--wait=false")
        await asyncio.sleep(dice.uniform(2.0, 5.0))
    selector = f"app.kubernetes.io/instance={RELEASE}"
    for kind in ("deployments", "statefulsets"):
        for one in await here.cluster.get(kind, selector):
            await here.cluster.rolled_out(f"{kind}/{one['metadata']['name']}")
