"""What the commands that talk to Kafka share."""

import logging
import sys
from pathlib import Path

from chassis.kafka_settings import KafkaSettings
from deploy.stack.broker import Broker
from deploy.stack.secure import ADMIN, SECURE, Secure
from deploy.stack.settings import StackSettings
from deploy.stack.state import State


def bootstrap_of(settings: StackSettings) -> str:
    """Where Kafka is."""
    return settings.kafka_bootstrap or f"127.0.0.1:{settings.ports['kafka']}"


def broker_of(settings: StackSettings, user: str = ADMIN) -> Broker:
    """Kafka as its administrator: by the environment's settings, or by what the running stack made up."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if settings.mode == "external":
        return KafkaSettings()
    state = State.read(settings.state_file)
    made = Path(state.data if state else settings.data) / SECURE
    return Secure(made).kafka(bootstrap_of(settings), user) if made.exists() else bootstrap_of(settings)


def trouble(settings: StackSettings, error: Exception) -> int:
    """Say that Kafka does not answer; return the exit status."""
    print(
        f"./dev: Kafka at {bootstrap_of(settings)} does not answer ({error}); is the stack up? ./dev status",
        file=sys.stderr,
    )
    return 1
