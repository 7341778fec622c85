"""What one bad row of agent-svc does to the others, and what two of its transactions do to each other."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent_svc.domain.key import Key
from agent_svc.inbound.recorder import Recorder
from agent_svc.outbound import function_answer_store, key_store
from agent_svc.outbound.function_answer_store import Heard
from agent_svc.settings import AgentSettings
from agent_svc.usecases.publish_agent import publish_agents_of
from agent_svc.usecases.record_turns import Turn
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.keyring import master_key_id
from deploy.stack.services import Surroundings
from tests.harness import bodies, until
from tests.integration.agent_world import AgentWorld, agent_world

WAITING = "SELECT FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'"


@pytest.fixture
async def world(surroundings: Surroundings, tmp_path: Path) -> AsyncIterator[AgentWorld]:
    async with agent_world(surroundings, tmp_path) as made:
        await made.agent()
        yield made


def settings_of(world: AgentWorld) -> AgentSettings:
    named = world.running.environment.items()
    return AgentSettings.model_validate(
        {name.removeprefix("MORTARBOARD_").lower(): value for name, value in named}
    )


@asynccontextmanager
async def database_of(world: AgentWorld) -> AsyncIterator[Database]:
    """The service's database, in this process."""
    settings = settings_of(world)
    database = Database(
        settings.database_url_now(),
        settings.database_http_url_now(),
        settings.schema_name,
        source="/mortarboard/agent-svc",
    )
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def ended_or_waiting(world: AgentWorld, task: asyncio.Task[Any]) -> None:
    """Until a task is done, or the database makes it wait."""

    async def so() -> bool:
        return task.done() or bool(await world.rows(WAITING, world.surroundings.database))

    await until(so)


def turn(question: str, text: str) -> Turn:
    return Turn(
        tenant="acme", dialog_id="d1", agent_id="shop", agent_version=1, model="m",
        messages=[{"role": "user", "content": text}], question_id=question, replaces=None, number=None,
        asked_at=datetime.now(UTC), answer=b"", streamed=False,
    )  # fmt: skip


async def test_a_turn_that_cannot_be_written_holds_up_no_other(world: AgentWorld) -> None:
    async with database_of(world) as database:
        recorder = Recorder(database)
        for one in (turn("bad\x00", "never"), turn("good", "Apples?")):
            recorder.record(one)
        await recorder.drain()

    async def told() -> list[Any]:
        return await bodies(world.surroundings, "chat.events")

    assert [one["message"]["id"] for one in await until(told, 10.0)] == ["good"]


async def test_what_is_told_last_holds_what_two_changed_at_once(world: AgentWorld) -> None:
    key_id = (await world.key())["key_id"]
    catalogue = Catalogue(world.catalogue)
    async with database_of(world) as database:
        async with database.transaction() as proving:
            key = await key_store.lock_key(proving.connection, "acme", key_id)
            assert isinstance(key, Key)
            proven = Key(**{name: getattr(key, name) for name in Key.__slots__} | {"training": "yes"})
            await key_store.update_key(proving.connection, "acme", proven)
            await publish_agents_of(proving, catalogue, "acme", key_id)
            editing = asyncio.create_task(world.agent(prompt="You sell pears."))
            await ended_or_waiting(world, editing)
        await editing

    async def told() -> Any:
        found = await world.updated()
        return found if len(found) == 4 else None  # made, its key, and the two at once

    last = (await until(told))[-1]
    assert (last["version"], last["prompt"]) == (2, "You sell pears.")
    assert last["keys"][0]["training"] == "yes"


async def test_two_dialogs_with_the_same_calls_do_not_wait_for_each_other(world: AgentWorld) -> None:
    def heard(name: str) -> Heard:
        return Heard("acme", "shop", name, "0" * 64, "answer", "d1", datetime.now(UTC))

    async with database_of(world) as database:

        async def backwards() -> None:
            async with database.transaction() as second:
                await function_answer_store.put_answers(second.connection, [heard("g"), heard("f")])

        async with database.transaction() as first:
            await function_answer_store.put_answers(first.connection, [heard("f")])
            other = asyncio.create_task(backwards())
            await ended_or_waiting(world, other)
            await function_answer_store.put_answers(first.connection, [heard("g")])
        await other


async def test_a_secret_that_is_being_put_in_again_is_not_deleted(world: AgentWorld) -> None:
    key_id = (await world.key())["key_id"]
    await world.ok("DELETE", "/v1/agents/shop/keys/openai")
    async with database_of(world) as database:
        async with database.transaction() as pasting, database.transaction() as tidying:
            assert await key_store.lock_key(pasting.connection, "acme", key_id)
            assert await key_store.drop_old_secrets(tidying.connection, 0.0, 0.0) == 0
        async with database.transaction() as tidying:
            assert await key_store.drop_old_secrets(tidying.connection, 0.0, 0.0) == 1


async def test_a_secret_that_does_not_open_keeps_no_other_under_an_old_key(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    old, new = os.urandom(32), os.urandom(32)
    file = tmp_path / "master"
    file.write_text(base64.b64encode(old).decode())
    async with agent_world(surroundings, tmp_path, master_key="", master_key_file=str(file)) as world:
        await world.agent()
        await world.key()
        moved = "INSERT INTO vault.secrets SELECT 'globex', key_id, version, sealed FROM vault.secrets"
        await world.rows(moved)
        file.write_text(f"{base64.b64encode(new).decode()}\n{base64.b64encode(old).decode()}")

        async def resealed() -> bool:
            seals = await world.rows(
                "SELECT substr(sealed, 2, 8) AS id FROM vault.secrets WHERE tenant_id = 'acme'"
            )
            return {bytes(row["id"]) for row in seals} == {master_key_id(new)}

        await until(resealed)


async def test_a_model_that_the_fallback_stands_in_for_is_named_before_its_key_goes(
    world: AgentWorld,
) -> None:
    key_id = (await world.key())["key_id"]
    await world.activate("ft:gpt-4o-mini:acme::1", key_id)
    await world.rows(
        "UPDATE agent_svc.route_heads SET effective = "
        "jsonb_set(effective, '{targets,0,model}', '\"gpt-4o-mini-2024-07-18\"')"
    )
    answer = await world.call(
        "PUT", "/v1/agents/shop/keys/openai", json={"key": "sk-another-organisation-42"}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "models_would_stop")
    assert "ft:gpt-4o-mini:acme::1" in answer.json()["models"]
