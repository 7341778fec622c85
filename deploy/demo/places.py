"""Where the demo finds what it talks to: a stack that it started itself, or one that runs already."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from deploy.stack.broker import Broker
from deploy.stack.running import bootstrap_of, broker_of
from deploy.stack.settings import StackSettings

if TYPE_CHECKING:  # an image that only plays has no servers to start
    from deploy.stack.stack import Stack

NAMES = ("console-svc", "dialog-svc", "dataset-svc", "training-svc", "agent-svc", "simulator", "issuer")


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses by name, and how Kafka is reached."""

    urls: Mapping[str, str]
    kafka: Callable[[str], Broker]
    """How a user reaches it."""
    bootstrap: str

    @classmethod
    def of_stack(cls, stack: "Stack") -> Self:
        """Those of a stack of our own."""
        own = stack.surroundings
        return cls({name: stack.url(name) for name in NAMES}, own.broker, own.kafka_bootstrap)

    @classmethod
    def running(cls, settings: StackSettings, env: Mapping[str, str] = os.environ) -> Self:
        """Those of a stack that runs: on this machine's usual ports, but where the environment says another.

        MORTARBOARD_DIALOG_URL, …_CONSOLE_URL, …_ISSUER_URL and so on; Kafka as in every service's settings.
        """
        urls = {name: f"http://127.0.0.1:{settings.ports[name]}" for name in NAMES}
        urls |= {name: env[variable] for name in NAMES if env.get(variable := _variable(name))}
        return cls(urls, partial(broker_of, settings), bootstrap_of(settings))


def _variable(name: str) -> str:
    return f"MORTARBOARD_{name.removesuffix('-svc').upper()}_URL"
