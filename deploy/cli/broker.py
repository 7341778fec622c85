"""What the commands that talk to Kafka share."""

import logging
import sys

from deploy.stack.settings import StackSettings


def bootstrap_of(settings: StackSettings) -> str:
    """Where Kafka is."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    return settings.kafka_bootstrap or f"127.0.0.1:{settings.ports['kafka']}"


def trouble(settings: StackSettings, error: Exception) -> int:
    """Say that Kafka does not answer; return the exit status."""
    print(
        f"./dev: Kafka at {bootstrap_of(settings)} does not answer ({error}); is the stack up? ./dev status",
        file=sys.stderr,
    )
    return 1
