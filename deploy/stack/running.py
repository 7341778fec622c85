"""How to reach the Kafka of a stack that runs: by the environment, or by what the stack made up."""

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
    """Kafka as one of its users."""
    if settings.kafka_bootstrap:
        return KafkaSettings()
    state = State.read(settings.state_file)
    made = Path(state.data if state else settings.data) / SECURE
    return Secure(made).kafka(bootstrap_of(settings), user) if made.exists() else bootstrap_of(settings)
