"""When a model fails, the fallback answers: this request, and then all until the model is back."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from uuid_utils.compat import uuid7

from contracts.training import TrainingStatus
from deploy.simulator.testing import RunningSimulator
from deploy.stack.services import Surroundings
from tests.harness import bodies, publish, publisher, until
from tests.integration.gateway_world import (
    BASE,
    OTHER_SECRET,
    SECRET,
    SHOP,
    SMART,
    World,
    another_gateway,
    gateway,
)

GONE = "ft:gpt-4o-mini-2024-07-18:nobody:gone:1"
HELLO = [{"role": "user", "content": "Hello?"}]
PATH = "/v1/chat/completions"


async def routed(surroundings: Surroundings, reason: str) -> list[dict[str, Any]]:
    return [one for one in await bodies(surroundings, "agent.routed") if one["reason"] == reason]


async def with_other_provider(world: World) -> str:
    answer = await world.api.put("/v1/agents/shop/keys/other", json={"key": OTHER_SECRET})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["key_id"])


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_is_gone_is_stood_in_for_at_once_on_every_instance(
    surroundings: Surroundings, tmp_path: Path, *, stream: bool
) -> None:
    async with gateway(surroundings, tmp_path) as world, another_gateway(world, tmp_path, "2") as second:
        await world.activate(world.target(GONE), fallback=world.fallback(SMART))
        await world.route_becomes("activated")
        answer = await world.ask(HELLO, "d1", body={"stream": stream})
        assert (answer.status_code, answer.headers["x-model"]) == (200, SMART)
        assert answer.headers["x-fallback"] == "gone"
        assert b"Hello?" in answer.content
        route = await world.route_becomes("failed_over")
        assert route["route_version"] == 1
        assert route["desired"]["targets"][0]["model"] == GONE
        assert [target["model"] for target in route["effective"]["targets"]] == [SMART]
        assert route["outages"][0] | {"since": 0} == {
            "provider": "openai",
            "model": GONE,
            "code": "model_gone",
            "since": 0,
        }
        # nobody asks the missing model any more, here or elsewhere
        for api in (world.api, second):
            body = {"model": "agent:shop", "messages": HELLO}
            answer = await api.post(PATH, json=body, headers={"X-Dialog-Id": "d2"})
            assert answer.headers["x-model"] == SMART
            assert "x-fallback" not in answer.headers
        (event,) = await until(lambda: routed(surroundings, "failed_over"))
        assert event["because"] == "model_gone"
        assert event["desired"]["targets"][0]["model"] == GONE
        assert event["effective"]["targets"][0]["model"] == SMART


async def test_a_refused_key_moves_to_another_provider_and_back_after_probes(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world:
        other = await with_other_provider(world)
        await world.activate(world.target(BASE), fallback=world.fallback(BASE, "other", other))
        await world.route_becomes("activated")
        world.simulator.add_fault("unauthorized", match={"key": SECRET}, times=None)
        answer = await world.ask(HELLO, "d1")
        assert (answer.status_code, answer.headers["x-fallback"]) == (200, "key_refused")
        route = await world.route_becomes("failed_over")
        assert route["effective"]["targets"][0]["provider"] == "other"
        world.simulator.admin("DELETE", "faults")
        route = await world.route_becomes("recovered")
        assert route["effective"] == route["desired"]
        assert (route["route_version"], route["outages"]) == (1, [])
        assert "x-fallback" not in (await world.ask(HELLO, "d1")).headers
        history = (await world.api.get("/v1/agents/shop/route/history")).json()["items"]
        told = [(one["reason"], one["by"], one["why"]) for one in history]
        assert told == [
            ("recovered", "agent-svc", None),
            ("failed_over", "agent-svc", "key_refused"),
            ("activated", "olga", "better"),
        ]


@pytest.mark.parametrize("fault", ["server_error", "connection_dropped"])
async def test_failures_past_the_limit_fail_over_and_fewer_do_not(
    surroundings: Surroundings, tmp_path: Path, fault: str
) -> None:
    async with gateway(surroundings, tmp_path, breaker_failures="3", probe_every="60") as world:
        other = await with_other_provider(world)
        await world.activate(world.target(BASE), fallback=world.fallback(BASE, "other", other))
        await world.route_becomes("activated")
        for failures in (2, 3):
            world.simulator.add_fault(fault, match={"key": SECRET, "path": PATH}, times=failures)
            for _ in range(failures):
                answer = await world.ask(HELLO, "d1", body={"stream": True})
                assert (answer.status_code, answer.headers["x-fallback"]) == (200, "unavailable")
            if failures == 2:  # an answer ends the row
                assert "x-fallback" not in (await world.ask(HELLO, "d1")).headers
        route = await world.route_becomes("failed_over")
        assert route["outages"][0]["code"] == "provider_unavailable"
        assert len(await until(lambda: routed(surroundings, "failed_over"))) == 1


async def test_answers_that_break_off_again_and_again_are_failures(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    slow = RunningSimulator(tmp_path / "simulator", speed=0.02)  # a second between two words
    limits = {"breaker_failures": "2", "probe_every": "60", "provider_timeout": "0.4"}
    async with gateway(surroundings, tmp_path, simulator=slow, **limits) as world:
        other = await with_other_provider(world)
        await world.activate(world.target(BASE), fallback=world.fallback(BASE, "other", other))
        await world.route_becomes("activated")
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError):
                await world.ask(HELLO, "d1", body={"stream": True})
        assert (await world.route_becomes("failed_over"))["outages"][0]["code"] == "provider_unavailable"


async def test_a_silent_provider_is_given_up_on_before_the_first_byte(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path, provider_timeout="0.3") as world:
        await world.activate(world.target(BASE), fallback=world.fallback(SMART))
        await world.route_becomes("activated")
        world.simulator.add_fault("hang", match={"path": PATH}, seconds=20)
        answer = await world.ask(HELLO, "d1", body={"stream": True})
        assert (answer.headers["x-model"], answer.headers["x-fallback"]) == (SMART, "unavailable")


async def test_requests_at_fault_and_busy_providers_are_not_failed_over(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world:
        await world.activate(world.target(BASE), fallback=world.fallback(SMART))
        await world.route_becomes("activated")
        world.simulator.add_fault("rate_limit", match={"path": PATH}, retry_after=7)
        busy = await world.ask(HELLO, "d1")
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "7")
        assert busy.json()["error"]["code"] == "rate_limit_exceeded"
        wrong = await world.ask([{"role": "tool", "content": "x", "tool_call_id": "c"}], "d1")
        assert wrong.status_code == 400
        assert wrong.json()["error"]["type"] == "invalid_request_error"
        assert (await world.route())["reason"] == "activated"


async def test_a_young_model_warms_up_while_the_fallback_answers(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path, warming="600") as world:
        status = TrainingStatus.model_validate(
            {
                "run_id": str(uuid7()), "dataset_id": str(uuid7()), "version": 1, "agent_id": "shop",
                "base_model": BASE, "provider": "openai", "key_id": world.key_id,
                "prompt_fingerprint": "0" * 64, "agent_version": 1, "status": "ready", "step": "following",
                "model": GONE,
            }
        )  # fmt: skip
        async with publisher(surroundings) as producer:
            await publish(producer, surroundings, [status])

        async def known() -> Any:
            async with surroundings.databases.connection(surroundings.database) as connection:
                return await connection.fetchval("SELECT count(*) FROM agent_svc.trained_models")

        await until(known)
        await world.activate(world.target(GONE), fallback=world.fallback(SMART))
        await world.route_becomes("activated")
        for _ in range(6):
            answer = await world.ask(HELLO, "d1")
            assert (answer.headers["x-model"], answer.headers["x-fallback"]) == (SMART, "gone")
        # minutes later it is a failure like any other
        async with surroundings.databases.connection(surroundings.database) as connection:
            moved = "UPDATE agent_svc.trained_models SET ready_at = ready_at - interval '11 minutes'"
            await connection.execute(moved)
        assert (await world.route())["reason"] == "activated"
        await world.ask(HELLO, "d1")
        await world.route_becomes("failed_over")


async def test_shares_stay_where_they_are_while_one_target_is_out(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world:
        other = await with_other_provider(world)
        targets = (world.target(SMART, 0.5), world.target(GONE, 0.5))
        await world.activate(*targets, fallback=world.fallback(BASE, "other", other))
        await world.route_becomes("activated")
        dialogs = [f"d{number}" for number in range(24)]
        before = {dialog: (await world.ask(HELLO, dialog)).headers["x-model"] for dialog in dialogs}
        assert set(before.values()) == {SMART, BASE}
        await world.route_becomes("failed_over")
        after = {dialog: (await world.ask(HELLO, dialog)).headers["x-model"] for dialog in dialogs}
        assert after == before


async def test_models_that_end_are_warned_of_and_moved_on_the_day(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    """The simulator names the provider's day (2027-01-14), the catalogue a nearer one for the fallback."""
    nearer = date(2027, 1, 2)
    listed = f"base_models: [{{id: {SMART}, provider: openai, name: {{en: a, ru: a}}, shutdown: {nearer}}}]\n"
    async with gateway(surroundings, tmp_path, base_models=listed) as world:
        await world.activate(world.target(BASE), fallback=world.fallback(SMART))
        await world.route_becomes("activated")
        async with calendar(world) as look:
            provider_day = date(2027, 1, 14)
            for day in (61, 60, 45, 30, 7, 1, 1):
                await look(provider_day - timedelta(days=day))
            told = [one["because"] for one in await until(lambda: routed(surroundings, "retiring"))]
            codes = [one for one in told if one in {f"ends_in_{n}_days" for n in (60, 30, 7, 1)}]
            assert len(codes) == len(told)
            route = await world.route()
            assert {one["model"]: one["on"] for one in route["retiring"]} == {
                BASE: "2027-01-14",
                SMART: str(nearer),
            }
            assert route["effective"] == route["desired"]
            await look(provider_day)
            route = await world.route_becomes("retired")
            assert [target["model"] for target in route["effective"]["targets"]] == [SMART]
            assert route["desired"]["targets"][0]["model"] == BASE
            await look(provider_day + timedelta(days=1))
            assert len(await until(lambda: routed(surroundings, "retired"))) == 1


async def test_an_agent_whose_key_does_not_open_keeps_no_other_from_being_warned(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world:
        client = await world.agents.client("globex")
        assert (await client.put("/v1/agents/shop", json=SHOP)).is_success
        assert (await client.put("/v1/agents/shop/keys/openai", json={"key": OTHER_SECRET})).is_success
        async with surroundings.databases.connection(surroundings.database) as connection:
            await connection.execute("UPDATE vault.secrets SET sealed = '\\x02' WHERE tenant_id = 'acme'")
        async with calendar(world) as look:
            await look(date(2027, 1, 14) - timedelta(days=7))
        told = await until(lambda: routed(surroundings, "retiring"))
        assert {one["because"] for one in told} == {"ends_in_7_days"}


def calendar(world: World) -> Any:
    """The calendar's turn in this process, on a day that the test names."""
    from contextlib import asynccontextmanager

    from agent_svc.outbound.chat import Models
    from agent_svc.settings import AgentSettings
    from agent_svc.usecases.retire_models import Retirements
    from chassis.catalogue import Catalogue
    from chassis.database import Database
    from chassis.vault import Vault

    @asynccontextmanager
    async def running() -> Any:
        environment = world.agents.environment
        settings = AgentSettings.model_validate(
            {name.removeprefix("MORTARBOARD_").lower(): value for name, value in environment.items()}
        )
        database = Database(
            settings.database_url_now(),
            settings.database_http_url_now(),
            settings.schema_name,
            source="/mortarboard/agent-svc",
        )
        await database.open()
        models = Models(5)

        async def look(today: date) -> None:
            vault, catalogue = Vault(settings.keyring()), Catalogue(settings.catalogue)
            await Retirements(database, vault, catalogue, models, lambda: today).run()

        try:
            yield look
        finally:
            await models.close()
            await database.close()

    return running()
