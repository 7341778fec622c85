"""One service process: its parts started together, watched, and stopped in good order."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Protocol

import uvicorn
from fastapi import APIRouter, FastAPI
from pydantic import ValidationError
from starlette.types import ASGIApp

from chassis import observability as seen
from chassis import published, retention
from chassis.auth import Authenticator
from chassis.broadcast import Broadcast, BroadcastLoop
from chassis.consumer import Consumer, ConsumerLoop
from chassis.database import Database
from chassis.dead_letters import DeadLetters
from chassis.direct import Direct, DirectEndpoint
from chassis.errors import describe, where
from chassis.health import Health
from chassis.http import Limits, http_app
from chassis.kafka_watch import KafkaWatch
from chassis.leases import Worker, WorkerLoop
from chassis.objects import ObjectStore
from chassis.ops import ops_app
from chassis.relay import Lane, Relay
from chassis.settings import Settings, masked
from contracts.topics import TOPICS


@dataclass(slots=True)
class Parts:
    """What a service is made of, listed by its composition root."""

    router: APIRouter
    scopes: Mapping[str, str]
    consumers: Sequence[Consumer] = ()
    workers: Sequence[Worker] = ()
    broadcasts: Sequence[Broadcast] = ()
    closing: Sequence[Callable[[], Awaitable[None]]] = ()
    large_bodies: Mapping[str, int] = field(default_factory=dict)
    """Endpoints that stream a body larger than MAX_BODY, and the most bytes each takes."""
    kept: Sequence[retention.Kept] = ()
    """What goes after a time, besides the audit trail; the service's own workers let go of it."""
    pages: ASGIApp | None = None
    """Served instead of the router: web pages, which know people by sessions and not by bearer tokens."""
    stopping: Sequence[Callable[[], None]] = ()
    """Told first when the service is to end: answers that have no end of their own must find one."""
    direct: Sequence[DirectEndpoint] = ()
    """Endpoints of the router that are served below the framework; the router only describes them."""


@dataclass(slots=True)
class Surroundings:
    """What the chassis gives to a composition root."""

    settings: Settings
    database: Database
    objects: ObjectStore
    health: Health
    wakers: dict[str, Callable[[], None]] = field(default_factory=dict)

    def wake(self, worker: str) -> None:
        """Let `worker` of this process run now; another process finds the work at its next turn."""
        waker = self.wakers.get(worker)
        if waker is not None:
            waker()


class Loop(Protocol):
    """Something that runs until it is told to stop."""

    async def run(self) -> None:
        """Run until stopped."""

    def stop(self) -> None:
        """Finish what is at hand and end."""


class Service:
    """Runs the parts that the settings name until SIGTERM or SIGINT, or until one of them dies."""

    def __init__(self, settings: Settings, compose: Callable[[Surroundings], Parts]) -> None:
        self.settings = settings
        self.health = Health()
        self.database = Database(
            settings.database_url_now,
            settings.database_http_url_now,
            settings.schema_name,
            source=f"/mortarboard/{settings.service}",
            size=settings.pool_size,
        )
        self.objects = ObjectStore.of(settings)
        self.letters = DeadLetters(settings, self.objects)
        self.surroundings = Surroundings(settings, self.database, self.objects, self.health)
        self.parts = compose(self.surroundings)
        self._authenticator = Authenticator(settings)
        self._stop = asyncio.Event()

    def public_app(self) -> FastAPI:
        """Return the public HTTP application."""
        return http_app(
            title=self.settings.service,
            router=self.parts.router,
            scopes=self.parts.scopes,
            authenticator=self._authenticator,
            max_body=self.settings.max_body,
            large_bodies=self.parts.large_bodies,
        )

    def served_app(self, described: FastAPI) -> ASGIApp:
        """Return what the public port serves: pages, or the described application behind direct endpoints."""
        if self.parts.pages is not None:
            return Limits(self.parts.pages, self.settings.max_body, self.parts.large_bodies)
        return Direct(
            described,
            self.parts.direct,
            scopes=self.parts.scopes,
            authenticator=self._authenticator,
            max_body=self.settings.max_body,
        )

    def _loops(self) -> list[Loop]:
        settings, database, health = self.settings, self.database, self.health
        loops: list[Loop] = []
        if "consumers" in settings.parts:
            loops += [
                ConsumerLoop(settings, database, health, self.letters, consumer)
                for consumer in self.parts.consumers
            ]
        if "workers" in settings.parts:
            loops += self._relays()
            holder = f"{settings.instance or socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"
            for worker in (*self.parts.workers, self._maintenance()):
                loop = WorkerLoop(worker, database, health, holder)
                self.surroundings.wakers[worker.name] = loop.wake
                loops.append(loop)
        loops += [BroadcastLoop(settings, health, broadcast) for broadcast in self.parts.broadcasts]
        return [*loops, KafkaWatch(settings, health)] if loops else loops

    def _relays(self) -> list[Relay]:
        lanes: Iterable[Lane] = sorted(
            {
                "compacted" if topic.compacted else "log"
                for topic in TOPICS.values()
                if self.settings.service in topic.producers
            }
        )
        relays = [Relay(self.settings, self.database, self.health, lane) for lane in lanes]
        self.database.on_commit += [relay.wake for relay in relays]
        return relays

    def _maintenance(self) -> Worker:
        async def maintain() -> bool:
            async with self.database.transaction() as transaction:
                await transaction.connection.execute("SELECT maintain_inbox(interval '120 days')")
                await published.maintain(
                    transaction.connection, self.settings.service, self.settings.events_kept_days
                )
                await transaction.connection.execute(
                    "DELETE FROM idempotency_keys WHERE created_at < now() - interval '7 days'"
                )
            await self.letters.delete_old_bodies()
            return await retention.expire_audit(self.database, self.settings.keep_audit_days)

        return Worker("maintenance", maintain, every=3600.0, leased=True, stale_after=7500.0)

    async def retention(self) -> list[dict[str, Any]]:
        """Return what is kept for a time only, kind by kind."""
        settings = self.settings
        kinds = (
            retention.kept_audit(settings.keep_audit_days),
            *retention.kept_published(settings.service, settings.events_kept_days),
            *self.parts.kept,
        )
        async with self.database.transaction() as transaction:
            return await retention.report(transaction.connection, kinds)

    async def run(self) -> int:
        """Run until stopped; returns the process's exit status."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stop.set)
        await self._open_database()
        if self._stop.is_set():
            return 0
        self.health.check("postgres", self.database.ping)
        loops = self._loops()
        public = self.public_app() if "http" in self.settings.parts else None
        ops = ops_app(self.health, public, self.retention if "workers" in self.settings.parts else None)
        servers = [_server(ops, self.settings.http_host, self.settings.ops_port)]
        if public is not None:
            app = self.served_app(public)
            servers.append(_server(app, self.settings.http_host, self.settings.http_port))
        tasks = {asyncio.create_task(loop.run(), name=type(loop).__name__): loop for loop in loops}
        serving = [asyncio.create_task(server.serve(), name="http") for server in servers]
        seen.log().info("started", parts=list(self.settings.parts))
        status = await self._watch({*tasks, *serving})
        await self._shut_down(tasks, servers, serving)
        return status

    async def _open_database(self) -> None:
        while not self._stop.is_set():
            try:
                await self.database.open(
                    worker=bool({"consumers", "workers"} & set(self.settings.parts)),
                    http="http" in self.settings.parts,
                )
                return
            except Exception as error:
                seen.log().warning("waiting_for_postgres", error=describe(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), 1.0)

    async def _watch(self, tasks: set[asyncio.Task[None]]) -> int:
        """Wait for a signal; a part that ends before it is a dead part, and the process exits."""
        stopping = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        dead = [task for task in done if task is not stopping]
        for task in dead:
            error = None if task.cancelled() else task.exception()
            seen.log().critical(
                "part_died",
                part=task.get_name(),
                error=describe(error) if error else "it ended",
                at=where(error) if error else [],
            )
        return 1 if dead else 0

    async def _shut_down(
        self,
        tasks: Mapping[asyncio.Task[None], Loop],
        servers: Sequence[uvicorn.Server],
        serving: Sequence[asyncio.Task[None]],
    ) -> None:
        for tell in self.parts.stopping:
            tell()
        for loop in tasks.values():
            loop.stop()
        for server in servers:
            server.should_exit = True
        _, late = await asyncio.wait({*tasks, *serving}, timeout=self.settings.stop_grace - 5)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, *serving, return_exceptions=True)
        for close in (*self.parts.closing, self.letters.close, self.database.close):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(close(), 5)
        seen.log().info("stopped")


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: object, host: str, port: int) -> uvicorn.Server:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="none",
        http="httptools",
        ws="none",
        timeout_graceful_shutdown=20,
        server_header=False,
    )
    return _Server(config)


def _tune_collector() -> None:
    """Keep the cycle collector from walking what never dies, and all that a batch holds, again and again.

    A batch is some ten thousand objects without a cycle; by the defaults each survives into a full
    collection, together with everything imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def main(settings_type: type[Settings], compose: Callable[[Surroundings], Parts]) -> None:
    """Start the service as a process: `python -m <service> [--settings]`."""
    try:
        settings = settings_type()
    except ValidationError as error:
        for row in error.errors(include_input=False, include_context=False, include_url=False):
            name = f"MORTARBOARD_{'.'.join(map(str, row['loc'])).upper()}: " if row["loc"] else ""
            print(f"{name}{row['msg']}", file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None
    if "--settings" in sys.argv[1:]:
        print(masked(settings))  # noqa: T201
        return
    seen.configure_logs(settings.service, settings.log_level)
    seen.configure_traces(settings.service, settings.otlp_endpoint)
    seen.build.info({"version": version(f"mortarboard-{settings.service}")})
    import uvloop

    service = Service(settings, compose)
    _tune_collector()
    status = uvloop.run(service.run())
    seen.flush_traces()
    # threads of libraries must not hold up a process whose work is done
    sys.stderr.flush()
    os._exit(status)
