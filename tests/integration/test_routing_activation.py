"""Models into service and back: shares, versions, history, rejections, several models at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from uuid_utils.compat import uuid7

from contracts.routes import choose
from deploy.stack.services import Surroundings
from tests.harness import bodies, until
from tests.integration.gateway_world import BASE, CHAT, SMART, another_gateway, gateway

HELLO = [{"role": "user", "content": "Hello?"}]
TINY = "gpt-4.1-mini-2025-04-14"


async def test_each_dialog_stays_with_its_model_on_every_instance(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world, another_gateway(world, tmp_path, "2") as second:
        models, shares = [SMART, BASE, TINY], [0.5, 0.3, 0.2]
        targets = [world.target(model, share) for model, share in zip(models, shares, strict=True)]
        await world.activate(*targets)
        await world.route_becomes("activated")
        seen: Counter[str] = Counter()
        for number in range(40):
            dialog = f"dialog-{number}"
            expected = models[choose("shop", dialog, shares)]
            seen[expected] += 1
            for api in (world.api, second):
                body = {"model": "agent:shop", "messages": HELLO}
                answer = await api.post(CHAT, json=body, headers={"X-Dialog-Id": dialog})
                assert (answer.headers["x-model"], answer.headers["x-route-version"]) == (expected, "1")
        assert set(seen) == set(models)


async def test_the_history_says_who_and_why_and_rollbacks_go_back(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world:
        assert (await world.api.post("/v1/agents/shop/rollback")).json()["code"] == "nothing_to_roll_back"
        for version, model in enumerate((SMART, TINY)):
            await world.activate(world.target(model), version=version)
        activation = await world.activate(world.target("late"), version=1)
        foreign = await world.activate(world.target("foreign", key=str(uuid7())), version=2)

        async def all_told() -> Any:
            found = (await world.api.get("/v1/agents/shop/route/history")).json()["items"]
            return found if len(found) == 4 else None

        items = await until(all_told)
        told = [(one["reason"], one["route_version"], one["by"], one["why"]) for one in items]
        assert told == [
            ("rejected", 2, "olga", "key_unknown"),
            ("rejected", 2, "olga", "route_changed"),
            ("activated", 2, "olga", "better"),
            ("activated", 1, "olga", "better"),
        ]
        assert [one["activation_id"] for one in items[:2]] == [foreign, activation]
        route = await world.api.get("/v1/agents/shop/route")
        assert route.json()["effective"]["targets"][0]["model"] == TINY, "a rejection changes nothing"
        assert route.json()["reason"] == "activated"
        # going back: once for each key, not at all when somebody was faster
        stale = await world.api.post("/v1/agents/shop/rollback", headers={"If-Match": '"1"'})
        assert (stale.status_code, stale.json()["by"]) == (412, "olga")
        for _ in range(2):
            headers = {"If-Match": route.headers["etag"], "Idempotency-Key": "back"}
            back = await world.api.post("/v1/agents/shop/rollback", headers=headers)
            assert (back.status_code, back.json()["route_version"]) == (200, 3)
        assert (await world.route())["effective"]["targets"][0]["model"] == SMART
        assert (await world.ask(HELLO, "d1")).headers["x-model"] == SMART

        async def rejections() -> Any:
            told = [one for one in await bodies(surroundings, "agent.routed") if one["reason"] == "rejected"]
            return [one["because"] for one in told] if len(told) == 2 else None

        assert await until(rejections) == ["route_changed", "key_unknown"]
        audit = (await world.api.get("/v1/audit?limit=200")).json()["items"]
        actions = Counter(one["action"] for one in audit)
        assert (actions["route.activated"], actions["route.rolled_back"]) == (2, 1)


async def test_the_history_comes_in_pages_and_stays_in_its_tenant(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with gateway(surroundings, tmp_path) as world:
        for version in range(5):
            await world.activate(world.target(f"model-{version}"), version=version)

        async def five() -> bool:
            return bool((await world.route())["route_version"] == 5)

        await until(five)
        entries: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            page = (await world.api.get(f"/v1/agents/shop/route/history?limit=2{cursor}")).json()
            entries += [one["entry"] for one in page["items"]]
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
        assert entries == [5, 4, 3, 2, 1]
        other = await world.agents.client("globex")
        assert (await other.get("/v1/agents/shop/route/history")).status_code == 404
