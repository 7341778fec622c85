"""`mortarboardctl`: topics, roles and migrations of any cluster, told by the environment."""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

import asyncpg
from aiokafka.errors import KafkaError

from deploy.stack.databases import ROLES, Databases
from deploy.stack.processes import ProcessError
from deploy.stack.topics import TopicsError, create_topics

DATABASE = "mortarboard"
PATIENCE_S = 60.0


def main() -> None:
    """Run one command; a server that does not answer yet is waited for."""
    whole = argparse.ArgumentParser(prog="mortarboardctl", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True)
    commands.add_parser("topics").add_argument("action", choices=["apply"])
    commands.add_parser("roles").add_argument("action", choices=["apply"])
    commands.add_parser("migrate")
    asked = whole.parse_args()
    work = {"topics": topics, "roles": roles, "migrate": migrate}[asked.command]
    try:
        asyncio.run(work())
    except (KafkaError, OSError, TopicsError, ProcessError, asyncpg.PostgresError) as error:
        sys.exit(f"mortarboardctl: {type(error).__name__}: {error}")


async def topics() -> None:
    """Create what is missing, set the declared configuration."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                names = await create_topics(os.environ["MORTARBOARD_KAFKA_BOOTSTRAP"])
                break
            except (KafkaError, OSError):
                await asyncio.sleep(1)
    print(f"{len(names)} topics are as declared")


async def roles() -> None:
    """Make the roles, with the passwords of today, and the database with its schemas."""
    databases = known()
    await databases.create_roles()
    if not await databases.exists(DATABASE):
        await databases.create(DATABASE)
    print(f"{len(ROLES)} roles and database {DATABASE} are there")


async def migrate() -> None:
    """Bring every schema up to date."""
    with tempfile.TemporaryDirectory() as logs:
        await known().migrate(DATABASE, Path(logs))
    print("every schema is up to date")


def known() -> Databases:
    """The server as its administrator, with the roles' passwords, a file each."""
    folder = Path(os.environ["MORTARBOARD_ROLE_PASSWORDS"])
    passwords = {role: (folder / role).read_text().strip() for role in ROLES}
    return Databases(Path(os.environ["MORTARBOARD_POSTGRES_ADMIN_URL_FILE"]).read_text().strip(), passwords)


if __name__ == "__main__":
    main()
