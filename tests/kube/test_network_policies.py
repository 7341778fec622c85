"""The chart's network policies on a network that enforces them: what works, and what is refused.

On a cluster whose network enforces none, the test says so and is skipped: nothing could be seen there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.containers import images
from tests.kube.cluster import PATIENCE, Cluster
from tests.kube.installation import RELEASE, bring, demo, installed
from tests.kube.ways import enforces, stranger, ways

pytestmark = pytest.mark.skipif(not os.environ.get("KUBECONFIG"), reason="KUBECONFIG names no cluster")

SERVICES = ("dialog-svc", "dataset-svc", "training-svc", "agent-svc")
CONSOLE = "console-svc"
SERVERS = {"kafka:9092", "postgres:5432", "s3:7070", "issuer:8080"}
"""What every service needs."""
PROVIDER = "simulator:8080"
NOBODYS = {"kafka:9093", "kafka:19092", "kubernetes.default.svc:443"}
"""Further places, for which no service has a use."""


def here(namespace: str, port: int, *services: str) -> set[str]:
    """Places of our services, by names that hold in every namespace."""
    return {f"{RELEASE}-{one}.{namespace}.svc:{port}" for one in services}


@pytest.mark.timeout(900)
async def test_what_the_policies_say_is_open_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await bring((images.VERSION,))
    async with (
        installed(tmp_path, images.VERSION) as installation,
        _onlookers(installation.cluster) as onlookers,
    ):
        cluster = installation.cluster
        if not await enforces(cluster, "walled", "issuer:8080"):
            pytest.skip("this cluster's network enforces no NetworkPolicy: the chart's were not tried")
        expected = _expected(cluster.namespace)
        ours = here(cluster.namespace, 8080, *SERVICES, CONSOLE) | here(
            cluster.namespace, 8081, *SERVICES, CONSOLE
        )
        everything = ours | SERVERS | {PROVIDER} | NOBODYS
        found = {}
        for name in expected:
            where = onlookers.get(name, cluster)
            # what others may reach beside us is not ours to say
            places = ours if name in onlookers else everything
            found[name] = await ways(where, name, sorted(places - _itself(name, cluster.namespace)))
        assert found == expected
        unseen = NOBODYS - await ways(cluster, "stranger", sorted(NOBODYS))
        assert not unseen, "what nobody listens on cannot be seen to be shut"
        assert (await demo(installation)).status == "ready"
        with capsys.disabled():
            tried = sum(len(ours if name in onlookers else everything) for name in expected)
            opened = sum(map(len, found.values()))
            print(f"  policies enforced: {opened} of {tried} ways are open, as they should; the demo too")


def _expected(namespace: str) -> dict[str, set[str]]:
    """Who may reach what: pods of ours (by workload) and onlookers (by pod)."""
    apis = here(namespace, 8080, *SERVICES)
    found = {
        "stranger": set(),
        "chat": apis,
        "ingress": here(namespace, 8080, CONSOLE, "agent-svc", "training-svc"),
        "monitoring": here(namespace, 8081, *SERVICES, CONSOLE),
        f"deployment/{RELEASE}-{CONSOLE}-http": SERVERS | apis,
    }
    for one in SERVICES:
        calls = {PROVIDER} if one in ("training-svc", "agent-svc") else set()
        for workload in (f"deployment/{RELEASE}-{one}-http", f"statefulset/{RELEASE}-{one}-consumers"):
            found[workload] = SERVERS | calls
    return found


def _itself(name: str, namespace: str) -> set[str]:
    """A service's own addresses: whether a pod reaches itself is the network's matter, not a policy's."""
    mine = [one for one in (*SERVICES, CONSOLE) if f"-{one}-" in name]
    return here(namespace, 8080, *mine) | here(namespace, 8081, *mine)


@asynccontextmanager
async def _onlookers(cluster: Cluster) -> AsyncIterator[dict[str, Cluster]]:
    """Pods around the release, by name, with its namespace; in ours a stranger, a client, a walled one."""
    outside = {name: Cluster(f"{cluster.namespace}-{name}") for name in ("ingress", "monitoring")}
    inside = dict.fromkeys(("stranger", "chat", "walled"), cluster)
    try:
        for one in outside.values():
            await one.kubectl("create", "namespace", one.namespace)
        for name, one in (outside | inside).items():
            await one.apply(stranger(name))
        await asyncio.gather(
            *(
                one.kubectl("wait", f"pod/{name}", "--for=condition=Ready", f"--timeout={PATIENCE}")
                for name, one in (outside | inside).items()
            )
        )
        yield outside | inside
    finally:
        for one in outside.values():
            await one.kubectl("delete", "namespace", one.namespace, "--wait=false", check=False)
