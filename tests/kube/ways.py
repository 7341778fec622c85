"""Which ways through the network are open: tried from within pods, by connecting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from deploy.containers import images
from tests.kube.cluster import Cluster

PYTHON = "/opt/venv/bin/python"
PROBE = """
import concurrent.futures, json, socket, sys
def is_open(place):
    host, _, port = place.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
    except OSError:
        return False
    return True
with concurrent.futures.ThreadPoolExecutor(32) as pool:
    print(json.dumps([place for place, found in zip(sys.argv[1:], pool.map(is_open, sys.argv[1:])) if found]))
"""


def stranger(name: str) -> dict[str, Any]:
    """A pod that is none of ours and does nothing; its label `app` is its name."""
    container = {
        "name": name,
        "image": images.name("devtools"),
        "imagePullPolicy": "IfNotPresent",
        "command": [PYTHON, "-c", "import time; time.sleep(3600)"],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    secured = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": [container], "securityContext": secured, "terminationGracePeriodSeconds": 0}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": spec,
    }


async def ways(cluster: Cluster, pod: str, places: Iterable[str]) -> set[str]:
    """Those of the places, host:port each, that a pod (or `deployment/…`) can connect to."""
    said = await cluster.kubectl("exec", pod, "--", PYTHON, "-c", PROBE, *places)
    return set(json.loads(said))


async def enforces(cluster: Cluster, pod: str, place: str) -> bool:
    """Whether the cluster's network enforces policies: one that lets this pod nowhere shuts an open way.

    The pod stays shut in; its label `app` is its name.
    """
    assert await ways(cluster, pod, [place]) == {place}, f"{place} is not there to be shut off"
    await cluster.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"{pod}-goes-nowhere"},
            "spec": {"podSelector": {"matchLabels": {"app": pod}}, "policyTypes": ["Egress"]},
        }
    )
    for _ in range(10):
        if not await ways(cluster, pod, [place]):
            return True
        await asyncio.sleep(2.0)
    return False
