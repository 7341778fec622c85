"""KEDA scales consumers out while they are behind, and in again.

On a cluster without KEDA, or without the processors' metrics that its second trigger needs, the test says so
and is skipped.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.containers import images
from tests.chaos.ledger import FAULTS, check, drained
from tests.chaos.load import Ledger, publish_load
from tests.harness import until
from tests.kube.cluster import Cluster
from tests.kube.installation import RELEASE, Installation, bring, installed

pytestmark = pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="KUBECONFIG names no cluster")

NEEDED = {"crd/scaledobjects.keda.sh": "KEDA", "apiservice/v1beta1.metrics.k8s.io": "metrics-server"}
SCALED = f"{RELEASE}-dialog-svc-consumers"
MOST = 3
CHANGES: dict[str, Any] = {
    "autoscaling": {"consumers": {"enabled": True, "lag": 20}},
    "services": {"dialog-svc": {"consumers": {"replicas": 1, "maxReplicas": MOST}}},
}
BEHAVIOR = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
AT_ONCE = json.dumps({"spec": {"advanced": {"horizontalPodAutoscalerConfig": BEHAVIOR}}})
"""Kubernetes' own five minutes before it scales in are not what is tried here."""


@pytest.mark.timeout(1200)
async def test_consumers_are_more_while_they_are_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await _skip_without(NEEDED)
    await bring((images.VERSION,))
    async with installed(tmp_path, images.VERSION, CHANGES) as here:
        ledger, seed = Ledger(), random.randrange(10**6)
        await _allow(here, "NOLOGIN")
        await publish_load(here.surroundings, ledger, seed, dialogs=100, length=10, seconds=5.0)
        out = await _seconds_until(here, MOST)
        assert "kafka-chat-events" in await _reasons(here), "more, but not by lag"
        await _allow(here, "LOGIN")
        await until(lambda: drained(here.surroundings, ledger), 240, f"drained (seed {seed})")
        await here.cluster.kubectl("patch", "scaledobject", SCALED, "--type=merge", f"--patch={AT_ONCE}")
        into = await _seconds_until(here, 1)
        report = await check(here.surroundings, ledger)
        assert not any(report[fault] for fault in FAULTS), report
        with capsys.disabled():
            print(
                f"  KEDA: 1 to {MOST} consumers {out:.0f} s after they fell behind, and to 1 in {into:.0f} s"
            )


async def _skip_without(needed: dict[str, str]) -> None:
    for what, comes_from in needed.items():
        if not (await Cluster("default").kubectl("get", what, "--ignore-not-found", "--output=name")).strip():
            pytest.skip(f"this cluster has no {comes_from} ({what}): scaling by lag was not tried")


async def _allow(here: Installation, login: str) -> None:
    """Let the consumers' role into the database, or keep it out: then records wait and none is lost."""
    async with here.surroundings.databases.connection() as connection:
        await connection.execute(f"ALTER ROLE dialog_svc {login}")
        if login == "NOLOGIN":
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'dialog_svc'"
            await connection.execute(ended)


async def _reasons(here: Installation) -> str:
    """What Kubernetes says of why it scaled."""
    found = await here.cluster.get("events")
    return "\n".join(one["message"] for one in found if one["reason"] == "SuccessfulRescale")


async def _seconds_until(here: Installation, replicas: int) -> float:
    began = time.monotonic()

    async def reached() -> bool:
        found = await here.cluster.get("statefulsets", "app.kubernetes.io/component=dialog-svc")
        return [one["spec"]["replicas"] for one in found] == [replicas]

    await until(reached, 300, f"{replicas} consumers of dialog-svc")
    return time.monotonic() - began
