"""A namespace of the cluster that KUBECONFIG names, by kubectl, and tunnels into it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.harness import free_port

PATIENCE = "300s"


class Cluster:
    """One namespace; what goes wrong raises CalledProcessError after its words were printed."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._kubectl = shutil.which("kubectl") or "kubectl"

    async def kubectl(self, *arguments: str, text: str = "", check: bool = True) -> str:
        """Run kubectl in the namespace; return what it printed."""
        return await run(self._kubectl, "--namespace", self.namespace, *arguments, text=text, check=check)

    async def apply(self, *manifests: dict[str, Any] | str) -> None:
        """Apply manifests: objects, or YAML."""
        parts = [one if isinstance(one, str) else json.dumps(one) for one in manifests]
        await self.kubectl("apply", "-f", "-", text="\n---\n".join(parts))

    async def get(self, what: str, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind."""
        chosen = ["--selector", selector] if selector else []
        return list(json.loads(await self.kubectl("get", what, *chosen, "--output", "json"))["items"])

    async def dns_ports(self) -> list[int]:
        """The ports on which the cluster's DNS listens, behind its service's 53."""
        asked = ("get", "endpointslices", "--selector", "kubernetes.io/service-name=kube-dns")
        said = json.loads(await self.kubectl("--namespace=kube-system", *asked, "--output", "json"))
        ports = {
            port["port"] for one in said["items"] for port in one["ports"] if port["name"].startswith("dns")
        }
        return sorted(ports) or [53]

    async def rolled_out(self, *names: str) -> None:
        """Wait until these workloads run as they were last told to; say why when they don't."""
        try:
            for name in names:
                await self.kubectl("rollout", "status", name, f"--timeout={PATIENCE}")
        except subprocess.CalledProcessError:
            print(await self.kubectl("get", "pods", "--output", "wide", check=False))
            print(await self.kubectl("get", "events", "--sort-by=.lastTimestamp", check=False))
            raise

    @asynccontextmanager
    async def tunnel(self, what: str, port: int, local: int = 0) -> AsyncIterator[int]:
        """A local port that leads to a port of a service; opened anew when its pod goes away."""
        local = local or free_port()
        keeper = asyncio.create_task(self._keep_open(what, port, local))
        try:
            await _listens(local)
            yield local
        finally:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def _keep_open(self, what: str, port: int, local: int) -> None:
        command = [self._kubectl, "--namespace", self.namespace, "port-forward", what, f"{local}:{port}"]
        while True:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
            try:
                assert process.stderr is not None
                while line := await process.stderr.readline():
                    if b"lost connection" in line or b"error forwarding" in line:
                        break  # it would stay, and refuse every connection
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            await asyncio.sleep(0.3)


async def run(program: str, *arguments: str, text: str = "", check: bool = True) -> str:
    """Run a program to its end; print its words and raise when it fails."""
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        env=os.environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(text.encode())
    if process.returncode and check:
        print(f"{program} {' '.join(arguments)}: status {process.returncode}\n{out.decode()}{err.decode()}")
        raise subprocess.CalledProcessError(process.returncode, program)
    return out.decode()


async def _listens(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"nothing listens on port {port}")
