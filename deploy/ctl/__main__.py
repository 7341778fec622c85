"""`mortarboardctl COMMAND`, which is `python -m deploy.ctl`: reads the arguments and hands over."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from aiokafka.errors import KafkaConnectionError, KafkaError
from pydantic import ValidationError

from chassis.kafka_settings import KafkaSettings
from chassis.kafka_watch import in_words, knock
from chassis.objects import ObjectStore
from chassis.objects_settings import ObjectsSettings
from deploy.ctl import database, dlt, keep, objects, topics, users
from deploy.ctl.users import PasswordsError
from deploy.ctl.wire import RefusedError

EPILOG = """\
settings (environment, prefix MORTARBOARD_): those of every service.
  KAFKA_BOOTSTRAP, KAFKA_SECURITY, KAFKA_CA_FILE, KAFKA_USERNAME, KAFKA_PASSWORD_FILE …   the broker
  TOPIC_PREFIX   put before every topic, group and transactional id
  POSTGRES_ADMIN_URL_FILE, ROLE_PASSWORDS   a file with the administrator's URL; a folder, a file a role
  OBJECTS_URL, OBJECTS_ENDPOINT …   object storage; for dlt only where bodies of large letters are looked at
"""
EXPECTED = (PasswordsError, RefusedError, objects.StorageError)
SIGNALLED = 128
"""Added to a signal's number it is the status of who was ended by it, as in a shell."""
Command = Callable[[argparse.Namespace], int]


def _topics(asked: argparse.Namespace) -> int:
    settings = KafkaSettings()
    return topics.run(settings, settings.topic_prefix, asked)


def _dlt(asked: argparse.Namespace) -> int:
    settings = KafkaSettings()
    # only the bodies of large letters are there: to list and to show needs none
    known = "MORTARBOARD_OBJECTS_URL" in os.environ
    store = ObjectStore.of(ObjectsSettings()) if known else ObjectStore("memory:///")
    return dlt.run(settings, settings.topic_prefix, store, asked)


def _users(asked: argparse.Namespace) -> int:
    return users.run(KafkaSettings(), asked)


def _objects(asked: argparse.Namespace) -> int:
    asyncio.run(objects.check())
    if asked.rows:
        asyncio.run(objects.check_rows())
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands; each module adds its own options."""
    whole = argparse.ArgumentParser(
        prog="mortarboardctl",
        description="What operators do to Mortarboard's broker and databases.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, text: str, run: Command, *actions: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if actions:
            command.add_argument("action", choices=actions)
        return command

    topics.arguments(
        add("topics", "topics and rights: what is missing, and make it so", _topics, "plan", "apply")
    )
    users.arguments(add("users", "Kafka's SCRAM users, with passwords from files", _users, "apply"))
    add("roles", "PostgreSQL's roles, database and schemas", database.run, "apply").set_defaults(what="roles")
    migrate = add("migrate", "bring every schema up to date", database.run)
    migrate.set_defaults(what="migrate")
    migrate.add_argument(
        "--contract", action="store_true", help="also drop what older versions needed: when none of them runs"
    )
    add("objects", "object storage: write, read and delete a test object", _objects, "check").add_argument(
        "--rows", action="store_true", help="also: is every object there that the database names"
    )
    keep.arguments(
        add("backup", "schemas, objects and groups' places of one moment", keep.make),
        add("restore", "fill an empty database and storage from a backup", keep.put_back),
    )
    keep.arguments_of_events(
        add(
            "events",
            "published events back into the outbox, for a lost topic",
            keep.publish_again,
            "republish",
        )
    )
    dlt.arguments(add("dlt", "dead letters: list them, show them, replay them", _dlt))
    return whole


def _stopped(number: int, _: object) -> NoReturn:
    """End what is at hand in order; in a container, as process 1, no signal would end us by itself."""
    raise SystemExit(SIGNALLED + number)


def main() -> int:
    """Run one command; its exit status is ours."""
    signal.signal(signal.SIGTERM, _stopped)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asked = parser().parse_args()
    try:
        return int(asked.run(asked))
    except ValidationError as error:
        for row in error.errors(include_input=False, include_context=False, include_url=False):
            print(f"mortarboardctl: {'.'.join(map(str, row['loc']))} {row['msg']}", file=sys.stderr)
        return 1
    except KafkaConnectionError as error:
        settings = KafkaSettings()
        why = asyncio.run(knock(settings))
        said = in_words(why) if why else str(error)
        print(f"mortarboardctl: {settings.kafka_bootstrap}: {said}", file=sys.stderr)
    except KafkaError as error:
        print(f"mortarboardctl: Kafka refused: {error}", file=sys.stderr)
    except EXPECTED as error:
        print(f"mortarboardctl: {error}", file=sys.stderr)
    except keep.EXPECTED as error:
        print(f"mortarboardctl: {keep.said(error)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # threads of libraries must not spoil the status of a program whose work is done
    os._exit(status)
