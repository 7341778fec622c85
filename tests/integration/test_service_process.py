"""A service as a process: graceful stop, honest health, the same event from before and after a restart."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.chat import ChatMessage, DialogEnded, MessagePosted
from deploy.stack.prepared import prepare
from deploy.stack.servers import Servers
from deploy.stack.services import Surroundings
from deploy.stack.topics import create_topics
from tests.harness import ROOT, bodies, free_port, instance, now, publish, publisher, service, until


def posted(number: int) -> MessagePosted:
    role: Any = "assistant" if number % 2 else "user"
    message = ChatMessage(id=f"m{number}", role=role, content=f"text {number}", at=now())
    return MessagePosted(dialog_id=f"d{number // 2}", agent_id="shop", message=message, source="live")


async def test_a_stop_finishes_what_is_at_hand_and_a_restart_goes_on(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    running = instance(surroundings, "dialog-svc", tmp_path)
    async with publisher(surroundings) as producer:
        for _ in range(3):
            running.start()
            await running.ready()
            await publish(producer, surroundings, [posted(number) for number in range(400)])
            await publish(
                producer,
                surroundings,
                [DialogEnded(dialog_id=f"d{number}", agent_id="shop", at=now()) for number in range(200)],
            )
            assert running.stop(signal.SIGTERM, within=30) == 0, running.log.read_text()[-2000:]
        running.start()
        await running.ready()

        async def all_completed() -> bool:
            found = await bodies(surroundings, "dialog.completed")
            return len({body["dialog_id"] for body in found}) == 200 and len(found) == 600

        await until(all_completed)
        running.stop()
    log = running.log.read_text()
    assert "text 1" not in log
    assert '"event": "stopped"' in log


async def test_readiness_follows_the_database_and_liveness_does_not(
    tmp_path: Path, own_servers: Servers
) -> None:
    prepared = await prepare(own_servers.bootstrap, own_servers.admin_url, "http://127.0.0.1:9", tmp_path)
    await create_topics(own_servers.bootstrap, "", 1)
    objects = tmp_path / "objects"
    objects.mkdir()
    here = Surroundings(
        kafka_bootstrap=own_servers.bootstrap,
        databases=prepared.databases,
        database=prepared.template,
        objects=objects,
        issuer=prepared.issuer,
        master_key=prepared.master_key,
    )
    async with service(here, "dialog-svc", tmp_path) as running, httpx.AsyncClient() as client:

        async def statuses() -> tuple[int, int]:
            live = await client.get(f"{running.ops}/livez", timeout=10)
            ready = await client.get(f"{running.ops}/readyz", timeout=10)
            return live.status_code, ready.status_code

        async def are(expected: tuple[int, int]) -> bool:
            return await statuses() == expected

        assert await statuses() == (200, 200)
        await own_servers.postgres.stop()
        await until(lambda: are((200, 503)))
        await own_servers.start_postgres()
        await until(lambda: are((200, 200)))
        await own_servers.kafka.stop()
        assert await statuses() == (200, 200), "a lost broker must not take the service away"
        await own_servers.start_kafka()
        async with publisher(here) as producer:
            await publish(producer, here, [posted(0), DialogEnded(dialog_id="d0", agent_id="shop", at=now())])
            await until(lambda: bodies(here, "dialog.completed"))


async def test_a_dead_consume_loop_ends_the_process(surroundings: Surroundings, tmp_path: Path) -> None:
    """A fault that no record and no broker caused: the process must not stay up without its loop."""
    (tmp_path / "sitecustomize.py").write_text(
        "import chassis.consumer as c\n"
        "async def broken(self, kafka, found):\n    raise RuntimeError('a bug')\n"
        "c.ConsumerLoop._settle = broken\n"
    )
    running = instance(surroundings, "dialog-svc", tmp_path)
    running.environment["PYTHONPATH"] = str(tmp_path)
    running.start()
    await running.ready()
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, [posted(0)])
    assert running.process is not None
    status = await asyncio.to_thread(running.process.wait, 60)
    assert status == 1
    assert "part_died" in running.log.read_text()


@pytest.mark.parametrize("name", ["dialog_svc", "dataset_svc", "training_svc", "agent_svc"])
def test_settings_are_printed_with_secrets_masked_and_missing_ones_are_named(
    name: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-P", "-m", name, "--settings"]
    plain = {key: value for key, value in os.environ.items() if not key.startswith("MORTARBOARD_")}
    missing = subprocess.run(command, env=plain, cwd=ROOT, capture_output=True, text=True, check=False)
    assert missing.returncode == 2
    assert "MORTARBOARD_DATABASE_URL: Field required" in missing.stderr
    settings = {
        "DATABASE_URL": "postgresql://u:hidden@h/d", "DATABASE_HTTP_URL": "postgresql://u:hidden@h/d",
        "OBJECTS_URL": tmp_path.as_uri(), "MASTER_KEY": "hidden", "CATALOGUE": "x.yaml",
        "HTTP_PORT": str(free_port()), "DEV": "1",
    }  # fmt: skip
    given = plain | {f"MORTARBOARD_{key}": value for key, value in settings.items()}
    shown = subprocess.run(command, env=given, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert f"MORTARBOARD_HTTP_PORT={settings['HTTP_PORT']}" in shown
    assert "hidden" not in shown
