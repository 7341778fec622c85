"""Which processes make up Mortarboard, and the environment each of them gets."""

import base64
import json
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chassis.kafka_settings import KafkaSettings
from deploy.simulator.poses import pose_path
from deploy.stack import files
from deploy.stack.broker import Broker
from deploy.stack.databases import ROLES, Databases
from deploy.stack.secure import ADMIN, Secure
from deploy.stack.settings import ROOT, StackSettings

CATALOGUE = ROOT / "deploy" / "catalogue.yaml"


@dataclass(frozen=True, slots=True)
class Service:
    """One of our services."""

    name: str
    master_key: bool = False
    """Whether it opens sealed provider keys."""
    catalogue: bool = False
    """Whether it reads the operators' provider catalogue."""

    @property
    def package(self) -> str:
        """Its Python package, which is also the name of its schema and of its worker role."""
        return self.name.replace("-", "_")

    @property
    def command(self) -> list[str]:
        """How it is started."""
        return [sys.executable, "-P", "-m", self.package]


SERVICES = (
    Service("dialog-svc"),
    Service("dataset-svc", catalogue=True),
    Service("training-svc", master_key=True, catalogue=True),
    Service("agent-svc", master_key=True, catalogue=True),
)
"""Those with an API."""
CONSOLE = Service("console-svc", master_key=True)
"""The web pages over the others' APIs."""
ALL = (CONSOLE, *SERVICES)
BY_NAME = {service.name: service for service in ALL}


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the stack makes up for itself: role passwords and the master key, kept with the data."""

    passwords: Mapping[str, str]
    master_key: str

    @classmethod
    def kept_in(cls, path: Path) -> "Secrets":
        """Read them, or make and keep them."""
        if not path.exists():
            fresh = {
                "passwords": {role: secrets.token_urlsafe(24) for role in ROLES},
                "master_key": base64.b64encode(secrets.token_bytes(32)).decode(),
            }
            files.write_whole(path, json.dumps(fresh))
        return cls(**json.loads(path.read_text()))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything services need to know of a stack, or of a test's part of one."""

    kafka_bootstrap: str
    databases: Databases
    database: str
    objects: Path
    issuer: str
    master_key: str = field(repr=False)
    catalogue: Path | None = None
    topic_prefix: str = ""
    secure: Secure | None = None
    """Certificates and Kafka passwords where servers ask for them."""
    outside: KafkaSettings | None = None
    """How everybody reaches a broker that is somebody else's."""

    def broker(self, user: str = ADMIN) -> Broker:
        """How to reach Kafka as one of its users."""
        if self.secure:
            return self.secure.kafka(self.kafka_bootstrap, user)
        return self.outside or self.kafka_bootstrap

    def _addresses(self, package: str) -> dict[str, str]:
        roles = {"DATABASE_URL": package, "DATABASE_HTTP_URL": f"{package}_http"}
        if not self.secure:
            return {name: self.databases.url(self.database, role) for name, role in roles.items()}
        return {
            f"{name}_FILE": str(self.secure.address_file(self.database, role)) for name, role in roles.items()
        }

    def keep_addresses(self) -> None:
        """Write the address of the database for each role into the file where services look for it."""
        if self.secure:
            for role in ROLES:
                path = self.secure.address_file(self.database, role)
                files.write_whole(path, self.databases.url(self.database, role))

    def environment(self, name: str, *, http_port: int, ops_port: int, instance: str = "1") -> dict[str, str]:
        """The settings of one instance of a service, as environment variables."""
        service = BY_NAME[name]
        env = {
            "KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "TOPIC_PREFIX": self.topic_prefix,
            **self._addresses(service.package),
            "OBJECTS_URL": self.objects.as_uri(),
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(http_port),
            "OPS_PORT": str(ops_port),
            "ISSUER": self.issuer,
            "JWKS_URL": f"{self.issuer}/.well-known/jwks.json",
            "INSTANCE": instance,
            "DEV": "1",
        }
        if service.master_key:
            env["MASTER_KEY"] = self.master_key
        if service.catalogue and self.catalogue:
            env["CATALOGUE"] = str(self.catalogue)
        return (self.secure.kafka_environment(name) if self.secure else {}) | {
            f"MORTARBOARD_{key}": value for key, value in env.items()
        }


def console_addresses(public_url: str, url: Callable[[str], str]) -> dict[str, str]:
    """The console's settings of where it is, and where the services are, which `url` tells by name."""
    places = {"PUBLIC_URL": public_url}
    places |= {f"{one.name.removesuffix('-svc').upper()}_URL": url(one.name) for one in SERVICES}
    return {f"MORTARBOARD_{key}": value for key, value in places.items()}


def simulated_catalogue(address: str) -> str:
    """The operators' catalogue (YAML) with the simulator at `address` posing as each of its providers."""
    import yaml  # the launcher itself does without libraries

    catalogue = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    for provider in catalogue["providers"]:
        if provider.get("protocol") != "file":
            provider |= {"base_url": f"{address}{pose_path(provider)}", "allow_private": True}
    return str(yaml.safe_dump(catalogue, allow_unicode=True, sort_keys=False))


def local_catalogue(settings: StackSettings) -> Path | None:
    """The provider catalogue of the local stack, whose providers are the simulator; None without one."""
    if not CATALOGUE.exists():
        return None
    path = settings.data / "catalogue.yaml"
    simulator = f"http://127.0.0.1:{settings.ports['simulator']}"
    files.write_whole(path, simulated_catalogue(simulator), 0o644)
    return path
