"""`users apply`: Kafka's SCRAM users with the passwords that files hold, where nobody else keeps them."""

import argparse
import asyncio
from pathlib import Path

from contracts.access import access
from deploy.ctl.wire import SCRAM, set_passwords
from deploy.stack.broker import Broker
from deploy.stack.topics import admin


class PasswordsError(Exception):
    """The folder does not hold the passwords; the text says which."""


def arguments(command: argparse.ArgumentParser) -> None:
    """The options."""
    command.add_argument(
        "--passwords", type=Path, required=True, metavar="FOLDER",
        help="holds NAME.password for each principal to be made; others are left alone",
    )  # fmt: skip
    command.add_argument("--mechanism", choices=sorted(SCRAM), default="SCRAM-SHA-512")


def run(broker: Broker, asked: argparse.Namespace) -> int:
    """Make them, or give them the passwords of today."""
    passwords = read_passwords(asked.passwords)
    asyncio.run(apply(broker, asked.mechanism, passwords))
    print(f"{asked.mechanism} users with the passwords of {asked.passwords}: {', '.join(sorted(passwords))}")
    return 0


async def apply(broker: Broker, mechanism: str, passwords: dict[str, str]) -> None:
    """The same from a program."""
    async with admin(broker) as client:
        await set_passwords(client, mechanism, passwords)


def read_passwords(folder: Path) -> dict[str, str]:
    """The passwords that are there, by principal. Raises PasswordsError when none is, or one is empty."""
    found = {
        name: (folder / f"{name}.password").read_text(encoding="utf-8").strip()
        for name in access()
        if (folder / f"{name}.password").exists()
    }
    if not found:
        raise PasswordsError(f"{folder} holds no NAME.password; the names are {', '.join(access())}")
    if empty := [name for name, password in found.items() if not password]:
        raise PasswordsError(f"{folder}/{empty[0]}.password is empty")
    return found
