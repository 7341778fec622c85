"""Passwords and rights change under running services, and nothing is started again."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from chassis.kafka_watch import in_words, knock
from deploy.ctl import users, wire
from deploy.stack import files
from deploy.stack.prepared import Prepared
from deploy.stack.secure import MECHANISM
from deploy.stack.topics import admin
from tests.harness import Running, instance, service, until
from tests.secure.world import goes_on, readiness, secure_world

WELL = (200, {"ok": True, "problems": {}, "missing": {}})
ASKS_AGAIN = {"connections.max.reauth.ms": "3000"}
"""A broker that lets a connection live for three seconds, as others do for an hour."""


async def named(running: Running, part: str, words: str) -> bool:
    """Whether the process is not ready and says so of this part in these words."""
    try:
        status, answer = await readiness(running)
    except httpx.HTTPError:
        return False
    return status == 503 and words in answer["problems"].get(part, "")


async def well(running: Running) -> bool:
    return await readiness(running) == WELL


async def test_a_kafka_password_changes_under_a_running_service(servers: Prepared, tmp_path: Path) -> None:
    async with secure_world(servers.issuer, tmp_path, ASKS_AGAIN) as (own, here):
        assert here.secure
        path = here.secure.password_file("dialog-svc")
        old = here.secure.kafka(own.bootstrap, "dialog-svc").model_copy(
            update={"kafka_password_file": None, "kafka_password": SecretStr(path.read_text())}
        )
        async with service(here, "dialog-svc", tmp_path) as running:
            await goes_on(here, 1)
            assert await knock(old) is None
            await users.apply(own.broker, MECHANISM, {"dialog-svc": "another password"})
            files.write_whole(path, "another password")

            async def old_is_refused() -> bool:
                error = await knock(old)
                return error is not None and "authentication failed" in in_words(error)

            await until(old_is_refused)
            for number in range(2, 8):  # over more than one life of a connection
                await goes_on(here, number)
            assert await readiness(running) == WELL


async def test_a_database_password_changes_under_a_running_service(servers: Prepared, tmp_path: Path) -> None:
    async with (
        secure_world(servers.issuer, tmp_path) as (_, here),
        service(here, "dialog-svc", tmp_path) as running,
    ):
        assert here.secure
        await goes_on(here, 1)
        client = await running.client()
        assert (await client.get("/v1/dialogs/d1")).status_code == 200
        async with here.databases.connection() as superuser:
            for role in ("dialog_svc", "dialog_svc_http"):
                path = here.secure.address_file(here.database, role)
                old = path.read_text()
                await superuser.execute(f"ALTER ROLE {role} PASSWORD 'another'")
                files.write_whole(path, old.replace(here.databases.passwords[role], "another"))
                with pytest.raises(asyncpg.InvalidPasswordError):
                    await asyncpg.connect(old)
            ended = await superuser.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'dialog_svc%'"
            )
            assert len(ended) > 2
        await goes_on(here, 2)

        async def served() -> bool:
            return (await client.get("/v1/dialogs/d2")).status_code == 200

        await until(served)
        assert await readiness(running) == WELL


async def test_a_wrong_password_is_said_and_needs_no_restart_when_it_is_mended(
    servers: Prepared, tmp_path: Path
) -> None:
    async with secure_world(servers.issuer, tmp_path) as (_, here):
        assert here.secure
        path = here.secure.password_file("dialog-svc")
        right = path.read_text()
        files.write_whole(path, "wrong")
        running = instance(here, "dialog-svc", tmp_path)
        running.start()
        try:
            await until(lambda: named(running, "kafka", "authentication failed"))
            files.write_whole(path, right)
            await until(lambda: well(running))
            await goes_on(here, 1)
        finally:
            assert running.stop() == 0
        log = running.log.read_text()
        assert "authentication failed: look at MORTARBOARD_KAFKA_USERNAME" in log
        assert "kafka_reached" in log
        assert right not in log


@pytest.mark.parametrize(
    ("resource", "name"), [("topic", "chat.events"), ("group", "dialog-svc.chat.events")]
)
async def test_a_missing_right_is_named_and_needs_no_restart_when_it_is_given(
    servers: Prepared, tmp_path: Path, resource: str, name: str
) -> None:
    async with secure_world(servers.issuer, tmp_path) as (own, here):
        taken = [wire.Acl("User:dialog-svc", resource, name, "literal", one) for one in ("Describe", "Read")]
        async with admin(own.broker) as client:
            await wire.remove_acls(client, taken)

            async def gone() -> bool:
                return not set(taken) & await wire.acls(client)

            await until(gone)
        running = instance(here, "dialog-svc", tmp_path)
        running.start()
        try:
            await until(lambda: named(running, "consume-chat.events", "lacks a right"))
            async with admin(own.broker) as client:
                await wire.add_acls(client, taken)
            await until(lambda: well(running))
            await goes_on(here, 1)
        finally:
            assert running.stop() == 0
