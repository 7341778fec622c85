"""What the commands that talk to Kafka share."""

import logging
import sys

from deploy.stack import running
from deploy.stack.broker import Broker
from deploy.stack.settings import StackSettings


def broker_of(settings: StackSettings) -> Broker:
    """Kafka as its administrator; its client's own logs would only repeat what we say."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    return running.broker_of(settings)


def trouble(settings: StackSettings, error: Exception) -> int:
    """Say that Kafka does not answer; return the exit status."""
    where = running.bootstrap_of(settings)
    print(
        f"./dev: Kafka at {where} does not answer ({error}); is the stack up? ./dev status", file=sys.stderr
    )
    return 1
