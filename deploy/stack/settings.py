"""What the local stack can be told, all from the environment (prefix MORTARBOARD_)."""

import itertools
import os
import random
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

DEFAULT_PORTS = {
    "kafka": 19092,
    "kafka-controller": 19093,
    "postgres": 15432,
    "simulator": 18080,
    "issuer": 18081,
    "console-svc": 18100,
    "dialog-svc": 18101,
    "dataset-svc": 18102,
    "training-svc": 18103,
    "agent-svc": 18104,
    "console-svc-ops": 18200,
    "dialog-svc-ops": 18201,
    "dataset-svc-ops": 18202,
    "training-svc-ops": 18203,
    "agent-svc-ops": 18204,
}
OWN_PORTS = range(20_000, 32_000)
"""For what is started on any port, below those that systems give to outgoing connections; the first 10,000
are for tests that run at the same time."""
MODES = ("local", "containers", "external")
DATA_NAMES = ("data", "demo", "screenshots", "data-secure", "demo-secure")
"""Folders of data below the run folder: of `up`, the demo, and of what is photographed."""


class SettingsError(Exception):
    """A setting holds something that cannot be."""


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Where the stack keeps its files and on which ports it answers."""

    run: Path
    """State, logs and data of the running stack."""
    cache: Path
    """What is fetched or made once and can be shared between checkouts."""
    ports: Mapping[str, int] = field(default_factory=lambda: dict(DEFAULT_PORTS))
    mode: str = "local"
    kafka_bootstrap: str = ""
    postgres_admin_url: str = ""
    data_name: str = "data"
    secure: bool = False
    """Whether the servers take TLS, passwords and rights only; such a stack keeps data of its own."""

    def secured(self) -> "StackSettings":
        """The same as a secure stack."""
        return replace(self, secure=True, data_name=f"{self.data_name}-secure")

    @property
    def data(self) -> Path:
        """What a restart keeps: databases, Kafka's logs, objects, passwords and keys."""
        return self.run / self.data_name

    @property
    def logs(self) -> Path:
        """One file a process."""
        return self.run / "logs"

    @property
    def state_file(self) -> Path:
        """Which processes run, for `status`, `down` and the next launcher."""
        return self.run / "state.json"

    @property
    def temporary(self) -> Path:
        """TMPDIR of everything started here."""
        return self.run / "tmp"

    def with_free_ports(self, among: Iterator[int] | None = None) -> "StackSettings":
        """The same on ports that nobody uses now (for tests)."""
        return replace(self, ports=dict(zip(self.ports, free_ports(len(self.ports), among), strict=True)))


def port_setting(name: str) -> str:
    """The environment variable that moves one port."""
    return f"MORTARBOARD_{name.upper().replace('-', '_')}_PORT"


def from_environment(env: Mapping[str, str] = os.environ) -> StackSettings:
    """Read the settings; raises SettingsError naming the variable that is wrong."""
    mode = env.get("MORTARBOARD_STACK") or "local"
    if mode not in MODES:
        raise SettingsError(f"MORTARBOARD_STACK={mode}: it can be {' or '.join(MODES)}")
    offset = _number(env, "MORTARBOARD_PORT_OFFSET", 0)
    ports = {name: _number(env, port_setting(name), port + offset) for name, port in DEFAULT_PORTS.items()}
    settings = StackSettings(
        run=Path(env.get("MORTARBOARD_RUN") or ROOT / ".run").resolve(),
        cache=Path(env.get("MORTARBOARD_CACHE") or ROOT / ".dev" / "cache").resolve(),
        ports=ports,
        mode=mode,
        kafka_bootstrap=env.get("MORTARBOARD_KAFKA_BOOTSTRAP", ""),
        postgres_admin_url=env.get("MORTARBOARD_POSTGRES_ADMIN_URL", ""),
    )
    if mode == "external" and not (settings.kafka_bootstrap and settings.postgres_admin_url):
        raise SettingsError(
            "MORTARBOARD_STACK=external needs MORTARBOARD_KAFKA_BOOTSTRAP and MORTARBOARD_POSTGRES_ADMIN_URL"
        )
    return settings


def shuffled(ports: Sequence[int]) -> Iterator[int]:
    """Return these ports again and again, in an order of chance: none twice until all had their turn."""
    return itertools.cycle(random.sample(ports, len(ports)))


_OWN = shuffled(OWN_PORTS[10_000:])


def free_ports(count: int, among: Iterator[int] | None = None) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different and none that this process was given before.

    Not of those that the system gives to outgoing connections: one of these could take a port while a
    service that is to listen there again restarts.
    """
    sockets: list[socket.socket] = []
    try:
        while len(sockets) < count:
            one = socket.socket()
            try:
                one.bind(("127.0.0.1", next(among or _OWN)))
            except OSError:
                one.close()
            else:
                sockets.append(one)
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"{name}={text}: it must be a number") from None
