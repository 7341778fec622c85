"""`./dev dlt`: mortarboardctl's, for the local stack."""

import argparse
import os
from pathlib import Path

from aiokafka.errors import KafkaError

from chassis.objects import ObjectStore
from deploy.cli.broker import broker_of, trouble
from deploy.ctl import dlt
from deploy.stack.settings import StackSettings
from deploy.stack.state import State


def run(settings: StackSettings, arguments: argparse.Namespace) -> int:
    """List, show or replay."""
    state = State.read(settings.state_file)
    objects = ObjectStore((Path(state.data if state else settings.data) / "objects").as_uri())
    prefix = os.environ.get("MORTARBOARD_TOPIC_PREFIX", "")
    try:
        return dlt.run(broker_of(settings), prefix, objects, arguments)
    except KafkaError as error:
        return trouble(settings, error)
