"""`./dev topics [plan|apply]`."""

import argparse
import asyncio
import os

from aiokafka.errors import KafkaError

from deploy.cli.broker import broker_of, trouble
from deploy.ctl import topics
from deploy.ctl.tables import table
from deploy.stack.settings import StackSettings
from deploy.stack.topics import TopicState, describe

DAY_MS = 86_400_000


def run(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """Print every declared topic with what the broker has of it; or plan, or apply."""
    broker, prefix = broker_of(settings), os.environ.get("MORTARBOARD_TOPIC_PREFIX", "")
    try:
        if arguments.action != "list":
            return topics.run(broker, prefix, arguments)
        states = asyncio.run(describe(broker, prefix))
    except KafkaError as error:
        return trouble(settings, error)
    print(
        table(
            ("topic", "partitions", "there", "cleanup", "kept", "records", "owner"),
            [_row(state) for state in states],
        )
    )
    return 0 if all(state.partitions for state in states) else 1


def _row(state: TopicState) -> tuple[object, ...]:
    topic = state.topic
    kept = "for ever" if topic.retention_ms < 0 else f"{topic.retention_ms // DAY_MS} days"
    there = (
        "missing"
        if not state.partitions
        else "yes"
        if state.partitions == topic.partitions
        else f"{state.partitions}!"
    )
    return topic.name, topic.partitions, there, topic.cleanup, kept, state.records, topic.owner
