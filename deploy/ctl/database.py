"""`mortarboardctl roles apply` and `migrate`: what PostgreSQL needs before services run."""

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

import asyncpg

from chassis.secret import read
from deploy.stack.databases import ROLES, Databases
from deploy.stack.processes import ProcessError

DATABASE, NAME = "mortarboard", "MORTARBOARD_DATABASE_NAME"
ADMIN, PASSWORDS = "MORTARBOARD_POSTGRES_ADMIN_URL_FILE", "MORTARBOARD_ROLE_PASSWORDS"


class DatabaseSetupError(Exception):
    """A setting is missing, or PostgreSQL refused."""


def run(asked: argparse.Namespace) -> int:
    """Apply the roles, or migrate; the exit status."""
    try:
        asyncio.run(_roles() if asked.what == "roles" else _migrate(contract=asked.contract))
    except (OSError, ProcessError, asyncpg.PostgresError, DatabaseSetupError) as error:
        print(f"mortarboardctl: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


async def _roles() -> None:
    await known().apply(database_name())
    print(f"{len(ROLES)} roles and database {database_name()} are there, with the passwords of today")


async def _migrate(*, contract: bool) -> None:
    with tempfile.TemporaryDirectory() as logs:
        await known().migrate(database_name(), Path(logs), contract=contract)
    print("every schema is up to date" + (", and what older versions needed is gone" if contract else ""))


def database_name() -> str:
    """The database that all schemas are in."""
    return os.environ.get(NAME) or DATABASE


def known() -> Databases:
    """The server as its administrator, with the roles' passwords, a file each."""
    for name in (ADMIN, PASSWORDS):
        if not os.environ.get(name):
            raise DatabaseSetupError(f"{name} is not set")
    folder = Path(os.environ[PASSWORDS])
    return Databases(read(Path(os.environ[ADMIN])), {role: read(folder / role) for role in ROLES})
