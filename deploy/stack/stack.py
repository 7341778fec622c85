"""The whole stack under one launcher: starts all in parallel, restarts what crashes, stops all.

async with Stack(settings, say=print) as stack:
    stack.url("dialog-svc"), stack.issuer_url, stack.surroundings.kafka_bootstrap
"""

import asyncio
import os
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from chassis.kafka_settings import KafkaSettings
from deploy.ctl.access import let_in
from deploy.stack import assets, files, state
from deploy.stack.databases import Databases
from deploy.stack.ports import refuse_taken
from deploy.stack.processes import Process, ProcessError, http_ok, port_answers
from deploy.stack.secure import SECURE, Secure
from deploy.stack.servers import Servers
from deploy.stack.services import (
    ALL,
    BY_NAME,
    CONSOLE,
    Secrets,
    Surroundings,
    console_addresses,
    local_catalogue,
)
from deploy.stack.settings import ROOT, StackSettings
from deploy.stack.topics import create_topics

DATABASE = "mortarboard"
READY_WITHIN_S = 60.0
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
CALM_S = 60.0
HELPERS = {"simulator": "/livez", "issuer": "/.well-known/jwks.json"}
"""Processes beside the services, with the address that tells whether they are well."""


class AlreadyRunsError(Exception):
    """Another launcher runs this stack."""


class Stack:
    """A running stack, on 127.0.0.1 only."""

    def __init__(self, settings: StackSettings, *, say: Callable[[str], None], wipe: bool = False) -> None:
        self.settings = settings
        self.processes: dict[str, Process] = {}
        self._say = say
        self._wipe = wipe
        self._servers: Servers | None = None
        self._surroundings: Surroundings | None = None
        self._launcher = state.Entry.of(os.getpid())
        self._ready = False
        self._held = ExitStack()
        self._watchers: list[asyncio.Task[None]] = []
        self._began = time.monotonic()

    @property
    def surroundings(self) -> Surroundings:
        """What services are set up with."""
        if not self._surroundings:
            raise RuntimeError("the stack has not been started")
        return self._surroundings

    def url(self, name: str) -> str:
        """The HTTP address of a service, the simulator or the issuer."""
        return f"http://127.0.0.1:{self.settings.ports[name]}"

    @property
    def issuer_url(self) -> str:
        """Where development tokens come from."""
        return self.url("issuer")

    async def __aenter__(self) -> Self:
        try:
            self._held.enter_context(files.locked(self.settings.run / "lock", wait=False))
        except files.BusyError:
            raise AlreadyRunsError(_running(self.settings)) from None
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self) -> None:
        if left := await state.stop_leftovers(self.settings.state_file):
            self._say(f"· stopped what an earlier launcher left running: {', '.join(left)}")
        refuse_taken(self._ports())
        if self._wipe:
            shutil.rmtree(self.settings.data, ignore_errors=True)
        state.fresh_logs(self.settings.logs)
        for folder in (self.settings.temporary, self.settings.data / "objects"):
            folder.mkdir(parents=True, exist_ok=True)
        self._record()
        self._surroundings = self._make_surroundings()
        async with asyncio.TaskGroup() as group:
            for name in HELPERS:
                group.create_task(self._start_helper(name))
            group.create_task(self._start_services(group, self._start_servers(group)))
        self._ready = True
        self._record()
        self._watchers = [asyncio.create_task(self._watch(name)) for name in self.processes]

    def _ports(self) -> dict[str, int]:
        own = set(self.settings.ports)
        if self.settings.mode == "external":
            own -= {"kafka", "kafka-controller", "postgres"}
        return {name: port for name, port in self.settings.ports.items() if name in own}

    def _make_surroundings(self) -> Surroundings:
        own = Secrets.kept_in(self.settings.data / "secrets.json")
        return Surroundings(
            kafka_bootstrap=self.settings.kafka_bootstrap or f"127.0.0.1:{self.settings.ports['kafka']}",
            databases=Databases(self.settings.postgres_admin_url, own.passwords),
            database=DATABASE,
            objects=self.settings.data / "objects",
            issuer=self.issuer_url,
            master_key=own.master_key,
            catalogue=local_catalogue(self.settings),
            secure=Secure.kept_in(self.settings.data / SECURE) if self.settings.secure else None,
            outside=KafkaSettings() if self.settings.mode == "external" else None,
        )

    def _start_servers(self, group: asyncio.TaskGroup) -> list[Awaitable[None]]:
        """Begin with Kafka and the database; return what services have to wait for."""
        if self.settings.mode == "containers":
            raise ProcessError("MORTARBOARD_STACK=containers is for tests; for all of it: ./dev compose")
        if self.settings.mode == "local":
            self._servers = Servers(self.settings, self._say)
        parts = (self._start_kafka(), self._start_postgres(), self._build_assets())
        return [group.create_task(part) for part in parts]

    async def _build_assets(self) -> None:
        await asyncio.to_thread(assets.build, self.settings, self._say)

    async def _start_kafka(self) -> None:
        await self._launch("kafka")
        await create_topics(self.surroundings.broker())
        if self.surroundings.secure:
            await let_in(self.surroundings.broker(), self.surroundings.secure.passwords())

    async def _start_postgres(self) -> None:
        await self._launch("postgres")
        if self._servers:
            databases = replace(self.surroundings.databases, admin_url=self._servers.admin_url)
            self._surroundings = replace(self.surroundings, databases=databases)
        databases = self.surroundings.databases
        await databases.apply(DATABASE)
        await databases.migrate(DATABASE, self.settings.logs)
        self.surroundings.keep_addresses()

    async def _start_helper(self, name: str) -> None:
        arguments = ["--port", str(self.settings.ports[name]), "--state", str(self.settings.data / name)]
        command = [sys.executable, "-P", "-m", f"deploy.{name}", *arguments]
        self._add(name, command, {"MORTARBOARD_DEV": "1"})
        await self._launch(name)

    async def _start_services(self, group: asyncio.TaskGroup, first: list[Awaitable[None]]) -> None:
        await asyncio.gather(*first)
        ports = self.settings.ports
        for service in ALL:
            own = self.surroundings.environment(
                service.name, http_port=ports[service.name], ops_port=ports[f"{service.name}-ops"]
            )
            if service is CONSOLE:
                own |= console_addresses(self.url(service.name), self.url)
            self._add(service.name, service.command, own)
            group.create_task(self._launch(service.name))

    def _add(self, name: str, command: list[str], env: dict[str, str]) -> None:
        log = self.settings.logs / f"{name}.log"
        self.processes[name] = Process(name, command, log=log, env={**os.environ, **env}, cwd=ROOT)

    async def _launch(self, name: str) -> None:
        """Start one process and wait until it is ready; the same at the first start and after a crash."""
        if name in ("kafka", "postgres"):
            if not self._servers:
                return
            server = self._servers.kafka if name == "kafka" else self._servers.postgres
            await server.start()
            if server.process:
                self.processes[name] = server.process
            self._record()
            await server.ready()
        else:
            self.processes[name].start()
            self._record()
            await self.processes[name].ready(lambda: self._well(name), READY_WITHIN_S)
        self._say(f"{time.monotonic() - self._began:5.1f} s  {name} is ready")

    async def _well(self, name: str) -> bool:
        health = self._health(name)
        return await (http_ok(health) if health else port_answers(self.settings.ports[name]))

    def _health(self, name: str) -> str:
        if name in HELPERS:
            return self.url(name) + HELPERS[name]
        return f"{self.url(f'{name}-ops')}/readyz" if name in BY_NAME else ""

    async def _watch(self, name: str) -> None:
        """Start a process again whenever it ends, later and later while it keeps ending."""
        attempt, started = 0, time.monotonic()
        while True:
            await self.processes[name].exited()
            attempt = 0 if time.monotonic() - started > CALM_S else attempt
            pause = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
            status = self.processes[name].returncode
            self._say(
                f"! {name} ended with status {status}; starting it again in {pause:.0f} s (./dev logs {name})"
            )
            self.processes[name].kill()
            await asyncio.sleep(pause)
            attempt, started = attempt + 1, time.monotonic()
            try:
                await self._launch(name)
            except ProcessError as error:
                self._say(f"! {error}")

    def _record(self) -> None:
        entries = {
            name: state.Entry.of(process.pid, self.settings.ports[name], self._health(name))
            for name, process in self.processes.items()
            if process.running
        }
        data = str(self.settings.data)
        state.State(self._launcher, self._ready, data, entries).write(self.settings.state_file)

    async def stop(self) -> None:
        """Stop the services, then the servers; nothing is left when this returns."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        ours = [process for name, process in self.processes.items() if name not in ("kafka", "postgres")]
        await asyncio.gather(*(process.stop() for process in ours))
        if self._servers:
            await self._servers.stop()
        self.settings.state_file.unlink(missing_ok=True)
        shutil.rmtree(self.settings.temporary, ignore_errors=True)
        self._held.close()

    def kill(self) -> None:
        """SIGKILL to all of it, for somebody who doesn't want to wait."""
        for process in self.processes.values():
            process.kill()


def _running(settings: StackSettings) -> str:
    """Words for the launcher that holds the lock."""
    other = state.State.read(settings.state_file)
    pid = f" (process {other.launcher.pid})" if other else ""
    return f"a stack already runs in {settings.run}{pid}: ./dev status shows it, ./dev down stops it"
