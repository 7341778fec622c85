"""Mortarboard in a namespace: the servers it needs, its secrets, and its release by Helm."""

from __future__ import annotations

import base64
import os
import secrets
import shlex
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from deploy.containers import images
from deploy.containers.tools import tool
from deploy.demo.backend import chat_backend
from deploy.demo.dialogs import OWN, load
from deploy.demo.owner import signed_in
from deploy.demo.play import Play
from deploy.demo.script import Result, Script
from deploy.demo.show import Show
from deploy.stack.databases import ROLES, Databases
from deploy.stack.services import ALL, SERVICES, Surroundings, simulated_catalogue
from deploy.stack.settings import ROOT
from tests.harness import free_port
from tests.kube.cluster import PATIENCE, Cluster, run

CHART = ROOT / "deploy" / "helm" / "mortarboard"
RELEASE = "mortarboard"
DATABASE = "another"
"""Not the chart's own name of it."""
SERVERS = Path(__file__).with_name("servers.yaml")
IMAGES = {
    "KAFKA_IMAGE": os.environ.get("MORTARBOARD_KAFKA_IMAGE", "apache/kafka:4.3.1"),
    "POSTGRES_IMAGE": os.environ.get("MORTARBOARD_POSTGRES_IMAGE", "postgres:18"),
    "S3_IMAGE": os.environ.get("MORTARBOARD_S3_IMAGE", "versity/versitygw:v1.8.0"),
    "DEVTOOLS_IMAGE": images.name("devtools"),
}


@dataclass
class Installation:
    """A release, and how this process reaches what it runs on."""

    cluster: Cluster
    surroundings: Surroundings
    values: Path

    async def helm(self, *arguments: str) -> str:
        """Run helm on the namespace."""
        return await run(str(tool("helm")), *arguments, "--namespace", self.cluster.namespace)

    async def deploy(self, verb: str, tag: str) -> None:
        """Install or upgrade, and wait until every pod is ready."""
        chosen = ["--values", str(CHART / "values-small.yaml"), "--values", str(self.values)]
        await self.helm(
            verb, RELEASE, str(CHART), *chosen, "--set", f"image.tag={tag}", "--timeout", PATIENCE, "--wait"
        )

    async def versions(self) -> set[str]:
        """The versions that run now, as their pods' labels say."""
        pods = await self.cluster.get("pods", f"app.kubernetes.io/instance={RELEASE}")
        return {pod["metadata"]["labels"]["app.kubernetes.io/version"] for pod in pods}

    @asynccontextmanager
    async def addresses(self) -> AsyncIterator[dict[str, str]]:
        """The services' addresses on this machine, and the issuer's, by name."""
        async with AsyncExitStack() as stack:
            found = {"issuer": self.surroundings.issuer}
            for one in SERVICES:
                port = await stack.enter_async_context(
                    self.cluster.tunnel(f"service/{RELEASE}-{one.name}", 8080)
                )
                found[one.name] = f"http://127.0.0.1:{port}"
            yield found


@asynccontextmanager
async def installed(
    folder: Path, tag: str, changes: dict[str, Any] | None = None
) -> AsyncIterator[Installation]:
    """A namespace with servers and a release in it; all of it is removed afterwards.

    `changes` are further values of the chart; at the top they stand in the place of ours.
    """
    cluster = Cluster(f"mortarboard-{secrets.token_hex(3)}")
    await cluster.kubectl("create", "namespace", cluster.namespace)
    # the strictest of the standards: a pod that asks for more than it may have is refused
    await cluster.kubectl(
        "label", "namespace", cluster.namespace, "pod-security.kubernetes.io/enforce=restricted"
    )
    try:
        async with _servers(cluster, folder) as surroundings:
            values = await _values(cluster) | (changes or {})
            path = folder / "values.yaml"
            path.write_text(yaml.safe_dump(values))
            one = Installation(cluster, surroundings, path)
            await one.deploy("install", tag)
            yield one
    finally:
        await cluster.kubectl("delete", "namespace", cluster.namespace, "--wait=false", check=False)


@asynccontextmanager
async def _servers(cluster: Cluster, folder: Path) -> AsyncIterator[Surroundings]:
    kept = {
        "postgres-password": secrets.token_urlsafe(16),
        "objects-access-key": "mortarboard",
        "objects-secret-key": secrets.token_urlsafe(24),
    }
    passwords = {role: secrets.token_urlsafe(24) for role in ROLES}
    master_key = base64.b64encode(secrets.token_bytes(32)).decode()
    await cluster.apply(_secret("servers", kept), *_secrets(kept, passwords, master_key))
    local = free_port()
    text = (
        SERVERS.read_text().replace("PORT}", f"{local}}}").replace('127.0.0.1:PORT"', f'127.0.0.1:{local}"')
    )
    for word, image in {**IMAGES, "NAMESPACE": cluster.namespace}.items():
        text = text.replace(word, image)
    await cluster.apply(_restricted(text))
    names = ("kafka", "postgres", "s3", "issuer", "simulator")
    await cluster.rolled_out(*(f"deployment/{name}" for name in names))
    async with (
        cluster.tunnel("service/kafka", 19092, local) as kafka,
        cluster.tunnel("service/postgres", 5432) as postgres,
        cluster.tunnel("service/issuer", 8080) as issuer,
    ):
        admin = f"postgresql://postgres:{quote(kept['postgres-password'])}@127.0.0.1:{postgres}/postgres"
        yield Surroundings(
            kafka_bootstrap=f"127.0.0.1:{kafka}",
            databases=Databases(admin, passwords),
            database=DATABASE,
            objects=folder,
            issuer=f"http://127.0.0.1:{issuer}",
            master_key=master_key,
        )


def _restricted(text: str) -> str:
    """The manifests with what the restricted standard asks of each container."""
    found = [one for one in yaml.safe_load_all(text) if one]
    for one in found:
        if one["kind"] == "Deployment":
            for container in one["spec"]["template"]["spec"]["containers"]:
                container["securityContext"] = {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                }
    return str(yaml.safe_dump_all(found))


def _secret(name: str, values: dict[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def _secrets(kept: dict[str, str], passwords: dict[str, str], master_key: str) -> list[dict[str, Any]]:
    """The secrets that the chart's README lists."""

    def url(role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{quote(password, safe='')}@postgres:5432/{database}"

    found = [
        _secret(
            f"{RELEASE}-ops",
            {"admin-url": url("postgres", kept["postgres-password"], "postgres"), **passwords},
        )
    ]
    for one in ALL:
        values = {name: kept[name] for name in ("objects-access-key", "objects-secret-key")}
        values["database-url"] = url(one.package, passwords[one.package], DATABASE)
        values["database-http-url"] = url(f"{one.package}_http", passwords[f"{one.package}_http"], DATABASE)
        if one.master_key:
            values["master-key"] = master_key
        found.append(_secret(f"{RELEASE}-{one.name}", values))
    return found


async def _values(cluster: Cluster) -> dict[str, Any]:
    """What this installation changes in values-small.yaml: two of some, and the servers of this test."""
    twice = {"http": {"replicas": 2}, "consumers": {"replicas": 2}}
    return {
        "kafka": {"bootstrap": f"kafka.{cluster.namespace}.svc:9092"},
        "postgres": {"database": DATABASE},
        "objects": {"endpoint": "http://s3:7070"},
        "issuer": {"url": "http://issuer:8080", "jwksUrl": "http://issuer:8080/.well-known/jwks.json"},
        "console": {"publicUrl": "http://127.0.0.1:8080"},
        "settings": {"DEV": "1", "SESSION_TIMEOUT": "6"},
        "ingress": {"enabled": False},
        "disruption": {"enabled": True},
        "catalogue": simulated_catalogue("http://simulator:8080"),
        "services": {"dialog-svc": twice, "dataset-svc": twice},
        "networkPolicies": {
            "enabled": True,
            "ingressNamespace": f"{cluster.namespace}-ingress",
            "monitoringNamespace": f"{cluster.namespace}-monitoring",
            "clients": [{"podSelector": {"matchLabels": {"app": "chat"}}}],
            "dns": {"ports": await cluster.dns_ports()},
            "kafka": _server("kafka", 9092),
            "postgres": _server("postgres", 5432),
            "objects": _server("s3", 7070),
            "issuer": _server("issuer", 8080),
            "providers": _server("simulator", 8080),
        },
    }


def _server(name: str, port: int) -> dict[str, Any]:
    """Pods of servers.yaml, as the chart's network policies name what may be reached."""
    return {"to": [{"podSelector": {"matchLabels": {"app": name}}}], "ports": [port]}


async def demo(here: Installation) -> Result:
    """Play the demo on the installation, from live dialogs to a model in service."""
    show, result = Show(), Result()
    script = Script.of(load(OWN))
    async with (
        here.addresses() as urls,
        signed_in(urls, "demo", show) as owner,
        chat_backend(here.surroundings.broker, "demo") as backend,
    ):
        await Play(script, owner, backend, show, result).all()
    return result


async def bring(tags: tuple[str, ...]) -> None:
    """Bring the images to the cluster's nodes by MORTARBOARD_IMAGE_LOADER, a command that takes their names.

    The first tag is what `./dev images` built; each other is the same with another version, made here.
    Without a loader the cluster must be able to pull them.
    """
    loader = shlex.split(os.environ.get("MORTARBOARD_IMAGE_LOADER", ""))
    if not loader:
        return
    docker = shutil.which("docker") or "docker"
    names = [images.name(target) for target in images.TARGETS]
    for tag in tags[1:]:
        for target in images.TARGETS:
            changed = images.name(target, tag)
            recipe = f"FROM {images.name(target)}\nLABEL org.opencontainers.image.version={tag}\n"
            await run(docker, "build", "--quiet", "--tag", changed, "-", text=recipe)
            names.append(changed)
    servers = [image for word, image in IMAGES.items() if word != "DEVTOOLS_IMAGE"]
    await run(*loader, *servers, *names)
