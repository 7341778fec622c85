"""Postgres: two pools by role, and the transaction in which a change and its events commit together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import orjson

from chassis.outbox import Outgoing, prepare, store
from chassis.secret import Read
from contracts.event import Event

Connection = asyncpg.pool.PoolConnectionProxy | asyncpg.Connection


class Transaction:
    """One database transaction and the events that become true with it."""

    def __init__(self, connection: Connection, source: str) -> None:
        self.connection = connection
        self._source = source
        self._outgoing: list[Outgoing] = []

    def publish(self, event: Event, *, tenant: str) -> None:
        """Publish `event` when this transaction commits; raises EventTooLargeError at once."""
        self._outgoing.append(prepare(event, tenant=tenant, source=self._source))

    async def flush(self, channel: str) -> bool:
        """Store the events in the outbox; returns whether there were any."""
        if not self._outgoing:
            return False
        await store(self.connection, self._outgoing)
        # one notification a transaction: it takes a lock that every notifying commit waits for
        await self.connection.execute("SELECT pg_notify($1, '')", channel)
        return True


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda data: orjson.loads(data[1:]),
        format="binary",
    )


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """Leave a connection as it is when it comes back: all that is set or locked ends with its transaction."""


async def connect(url: str, schema: str, **settings: str) -> asyncpg.Connection:
    """Open one connection outside the pools, as the relay and listeners need."""
    connection = await asyncpg.connect(
        url, server_settings={"search_path": schema, "application_name": schema, **settings}, timeout=5
    )
    await _prepare_connection(connection)
    return connection


def _read(url: str | Read) -> Read:
    return (lambda: url) if isinstance(url, str) else url


class Database:
    """The worker pool (rows of all tenants) and the HTTP pool (row-level security by tenant)."""

    def __init__(
        self, url: str | Read, http_url: str | Read, schema: str, source: str, size: int = 8
    ) -> None:
        self._url = _read(url)
        self.schema = schema
        self.channel = f"{schema}_outbox"
        self.on_commit: list[Callable[[], None]] = []
        self._http_url = _read(http_url)
        self._source = source
        self._size = size
        self._worker: asyncpg.Pool | None = None
        self._http: asyncpg.Pool | None = None

    @property
    def url(self) -> str:
        """The workers' address as it is now; raises OSError when its file cannot be read."""
        return self._url()

    async def open(self, *, worker: bool = True, http: bool = True) -> None:
        """Open the pools that this process needs; raises what asyncpg raises when it cannot connect."""
        share = self._size // 2 if worker and http else self._size
        if worker:
            self._worker = await self._pool(self._url, share)
        if http:
            self._http = await self._pool(self._http_url, share)

    async def _pool(self, url: Read, size: int) -> asyncpg.Pool:
        async def connect_now(*_: object, **settings: Any) -> asyncpg.Connection:
            return await asyncpg.connect(url(), **settings)

        return await asyncpg.create_pool(
            connect=connect_now,  # with password and certificates of this moment
            min_size=1,
            max_size=size,
            init=_prepare_connection,
            reset=_nothing_to_reset,
            timeout=5,
            command_timeout=30,
            server_settings={"search_path": self.schema, "application_name": self.schema},
        )

    async def close(self) -> None:
        """Close both pools, waiting at most 5 s for connections in use."""
        for pool in (self._worker, self._http):
            if pool is not None:
                try:
                    await asyncio.wait_for(pool.close(), 5)
                except TimeoutError:
                    pool.terminate()

    async def ping(self) -> None:
        """Ask Postgres for an answer; raises when there is none within 2 s."""
        pool = self._worker or self._http
        if pool is None:
            raise ConnectionError("the database is not open")
        async with pool.acquire(timeout=2) as connection:
            await connection.fetchval("SELECT 1", timeout=2)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction of a consumer or worker: it may write rows of many tenants."""
        if self._worker is None:
            raise RuntimeError("this process runs no consumers and no workers")
        async with self._run(self._worker, None) as transaction:
            yield transaction

    @asynccontextmanager
    async def tenant_transaction(self, tenant: str) -> AsyncIterator[Transaction]:
        """A transaction of an HTTP request: it sees this tenant's rows only."""
        if self._http is None:
            raise RuntimeError("this process serves no HTTP")
        async with self._run(self._http, tenant) as transaction:
            yield transaction

    @asynccontextmanager
    async def tenant_connection(self) -> AsyncIterator[Connection]:
        """A connection of the HTTP role for one statement that sets its tenant itself, without more trips."""
        if self._http is None:
            raise RuntimeError("this process serves no HTTP")
        async with self._http.acquire(timeout=5) as connection:
            yield connection

    @asynccontextmanager
    async def _run(self, pool: asyncpg.Pool, tenant: str | None) -> AsyncIterator[Transaction]:
        async with pool.acquire(timeout=5) as connection, connection.transaction():
            if tenant is not None:
                await connection.execute("SELECT set_config('app.tenant', $1, true)", tenant)
            transaction = Transaction(connection, self._source)
            yield transaction
            has_events = await transaction.flush(self.channel)
        if has_events:
            for wake in self.on_commit:
                wake()


Work = Callable[[Transaction], Awaitable[Any]]
