"""dataset-svc follows a dialog to what serves, and back, over what the other services tell by Kafka."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from contracts.agents import AgentRouted, Route, SharedTarget, Target
from contracts.dialogs import DialogErased
from contracts.training import Checkpoint, RunError, TrainingStatus
from deploy.stack.services import Surroundings
from tests.harness import bodies, now, service, until
from tests.integration.test_dataset_svc import KEY, TRAIN, agent, completed, dataset_of, key, send, take

BASE = "gpt-4o-mini-2024-07-18"
FIRST, STEP, SECOND = "ft:gpt/4o mini:org:a?b:1", "ft:gpt/4o mini:org:a?b:1:ckpt-step-20", "ft:gpt:org::2"


class Chain:
    """The chain of one agent, built link by link, and looked at."""

    def __init__(self, surroundings: Surroundings, api: httpx.AsyncClient, dataset: str) -> None:
        self.surroundings = surroundings
        self.api = api
        self.dataset = dataset
        self.versions = (f"{dataset}:1", f"{dataset}:2")
        self.activation, self.refused = str(uuid4()), str(uuid4())
        self.examples: list[str] = []
        self.copy = self.first = self.second = ""
        self.sequence = 0

    async def see(self, kind: str, node: str, **query: Any) -> dict[str, Any]:
        answer = await self.api.get(path(kind, node), params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def until_seen(self, kind: str, node: str, there: Any) -> dict[str, Any]:
        async def seen() -> Any:
            answer = await self.api.get(path(kind, node))
            return answer.json() if answer.status_code == 200 and there(answer.json()) else None

        return dict(await until(seen))

    async def take(self) -> None:
        """Ten dialogs are saved as examples, one of them is copied for another agent."""
        self.examples = [await take(self.api, self.dataset, f"d{number}") for number in range(10)]
        for example in self.examples:
            assert (await self.api.post(f"/v1/examples/{example}/save")).status_code == 200
        (other,) = (await self.api.get("/v1/datasets", params={"agent_id": "desk"})).json()["items"]
        made = {"from_example_id": self.examples[0]}
        self.copy = (await self.api.post(f"/v1/datasets/{other['id']}/examples", json=made)).json()["id"]
        assert (await self.api.post(f"/v1/examples/{self.copy}/save")).status_code == 200

    async def train(self, number: int, model: str, *checkpoints: str, **settings: Any) -> str:
        """Freeze, ask for a run, and let training-svc say that it made a model; returns the run's id."""
        wanted = {"train": {**TRAIN["train"], **settings}}
        answer = await self.api.post(f"/v1/datasets/{self.dataset}/versions", json=wanted)
        assert answer.status_code == 202, answer.text

        async def asked() -> Any:
            found = await bodies(self.surroundings, "dataset.ready")
            return [one for one in found if one["version"] == number]

        (run,) = await until(asked)
        same = {name: run[name] for name in TrainingStatus.model_fields if name in run}
        made = tuple(Checkpoint(model=one, step=20) for one in checkpoints)
        status = TrainingStatus(
            **same, status="ready", step="following", model=model, checkpoints=made or None,
            provider_job_id="ftjob-1", error=RunError(code="odd", message="what the provider said"),
        )  # fmt: skip
        await send(self.surroundings, status)
        return str(run["run_id"])

    async def route(
        self, version: int, reason: Any, desired: Route, effective: Any = None, **more: Any
    ) -> None:
        """agent-svc says what serves."""
        self.sequence += 1
        routed = AgentRouted(
            agent_id="shop", route_version=version, reason=reason, desired=desired,
            effective=effective or desired, **more,
        )  # fmt: skip
        await send(self.surroundings, routed, sequences=[self.sequence])


def path(kind: str, node: str) -> str:
    return f"/v1/lineage/{kind}/{quote(node, safe='')}"


def route(model: str, run: str | None) -> Route:
    """A route to one model, with the base model to fall back on."""
    target = SharedTarget(model=model, provider="openai", key_id=KEY, run_id=run, share=1)
    return Route(targets=(target,), fallback=Target(model=BASE, provider="openai", key_id=KEY))


def ids(layer: dict[str, Any]) -> list[str]:
    return [one["id"] for one in layer["items"]]


async def test_a_dialog_is_followed_to_what_serves_and_back(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    shop = agent(keys=(key("yes"),))
    desk = shop.model_copy(update={"agent_id": "desk"})
    await send(surroundings, shop, desk, *(completed(f"d{number}") for number in range(10)))
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        api = await running.client()
        chain = Chain(surroundings, api, await dataset_of(api))
        await chain.take()
        await _a_model_is_put_into_service(chain)
        await _each_link_leads_back(chain)
        await _each_hash_is_of_what_it_says(chain)
        await _a_fallback_stands_in_and_an_activation_is_refused(chain)
        await _training_goes_on_from_a_model(chain)
        await _what_an_erased_dialog_touched_is_known(chain)
        await _strangers_and_what_came_of_no_dataset(chain, await running.client("globex"))


async def _a_model_is_put_into_service(chain: Chain) -> None:
    chain.first = await chain.train(1, FIRST, STEP)
    served = route(STEP, chain.first)
    await chain.route(1, "activated", served, activation_id=chain.activation, because="better")
    dialog = await chain.until_seen("dialog", "d0", lambda one: one["serves_now"])
    assert sorted(ids(dialog["to"]["examples"])) == sorted([chain.examples[0], chain.copy])
    assert ids(dialog["to"]["versions"]) == [chain.versions[0]]
    assert ids(dialog["to"]["runs"]) == [chain.first]
    assert ids(dialog["to"]["models"]) == [FIRST, STEP]
    (serving,) = dialog["to"]["activations"]["items"]
    assert (serving["id"], serving["because"], serving["serves_now"]) == (chain.activation, "better", True)
    assert [(one["model"], one["role"], one["serves_now"]) for one in serving["targets"]] == [
        (STEP, "target", True), (BASE, "fallback", False),
    ]  # fmt: skip
    (branch,) = dialog["facts"]["branches"]
    assert (branch["revision"], branch["message_count"], branch["agent_id"]) == (1, 5, "shop")


async def _each_link_leads_back(chain: Chain) -> None:
    back = await chain.see("activation", chain.activation, limit=4)
    assert (ids(back["from"]["models"]), ids(back["from"]["runs"])) == ([STEP], [chain.first])
    assert (ids(back["from"]["versions"]), back["serves_now"]) == ([chain.versions[0]], True)
    assert (await chain.see("activation", "shop:1", limit=4)) == back
    listed = back["from"]["examples"]
    assert (listed["count"], listed["erased"], len(listed["items"])) == (10, 0, 4)
    rest = await chain.see("activation", chain.activation, limit=6, cursor=listed["next_cursor"])
    every = listed["items"] + rest["from"]["examples"]["items"]
    assert rest["from"]["examples"]["next_cursor"] is None
    assert {one["dialog_id"] for one in every} == {f"d{number}" for number in range(10)}
    for kind, node in (("model", STEP), ("run", chain.first), ("version", chain.versions[0])):
        found = await chain.see(kind, node)
        assert found["from"]["examples"]["count"] == 10
        assert (found["serves_now"], ids(found["to"]["activations"])) == (True, [chain.activation])
    assert (await chain.see("model", FIRST))["serves_now"] is False
    facts = (await chain.see("run", chain.first))["facts"]
    assert (facts["provider_job_id"], facts["error"], facts["asked_by"]) == ("ftjob-1", "odd", "dev-owner")
    example = await chain.see("example", chain.examples[0])
    assert (example["from"]["dialogs"], ids(example["to"]["examples"])) == (["d0"], [chain.copy])
    copied = (await chain.see("example", chain.copy))["from"]
    assert (copied["dialogs"], copied["copied_from"]["id"]) == (["d0"], chain.examples[0])


async def _each_hash_is_of_what_it_says(chain: Chain) -> None:
    version = await chain.see("version", chain.versions[0])
    file = version["facts"]["files"]["training"]
    body = (chain.surroundings.objects / file["uri"]).read_bytes()
    assert hashlib.sha256(body).hexdigest() == file["sha256"]
    held = {one["id"]: one["content_sha256"] for one in version["from"]["examples"]["items"]}
    lines = {line[line.index(b"},{") + 2 : line.index(b'],"tools"')] for line in body.splitlines()}
    assert set(held.values()) == {hashlib.sha256(line).hexdigest() for line in lines}
    (revision,) = (await chain.see("example", chain.examples[0]))["facts"]["revisions"]
    assert revision["content_sha256"] == held[chain.examples[0]]
    (branch,) = (await chain.see("dialog", "d3"))["facts"]["branches"]
    (sent,) = [
        one for one in await bodies(chain.surroundings, "dialog.completed") if one["dialog_id"] == "d3"
    ]
    said = [
        {name: value for name, value in one.items() if value is not None}
        for one in sent["transcript"]["messages"]
    ]
    assert branch["transcript_sha256"] == canonical_sha256(said)
    (serving,) = version["to"]["activations"]["items"]
    (routed,) = await bodies(chain.surroundings, "agent.routed")
    assert serving["route_sha256"] == canonical_sha256(routed["desired"])


def canonical_sha256(document: Any) -> str:
    """What the README says: keys sorted, no spaces, UTF-8."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


async def _a_fallback_stands_in_and_an_activation_is_refused(chain: Chain) -> None:
    wanted, base = route(STEP, chain.first), route(BASE, None)
    await chain.route(
        1, "failed_over", wanted, base, activation_id=chain.activation, because="model_gone"
    )  # fmt: skip
    stood_in = await chain.until_seen("model", STEP, lambda one: not one["serves_now"])
    (now_so,) = stood_in["to"]["activations"]["items"]
    assert (now_so["reason"], now_so["now_reason"]) == ("activated", "failed_over")
    assert [one["serves_now"] for one in now_so["targets"]] == [False, True]
    await chain.route(1, "rejected", wanted, base, activation_id=chain.refused, because="route_changed")
    refused = (await chain.until_seen("activation", chain.refused, lambda _: True))["facts"]
    assert (refused["reason"], refused["because"]) == ("rejected", "route_changed")
    assert refused["serves_now"] is False


async def _training_goes_on_from_a_model(chain: Chain) -> None:
    chain.second = await chain.train(2, SECOND, base_model=FIRST)
    await chain.route(2, "rolled_back", route(SECOND, chain.second))
    latest = await chain.until_seen("model", SECOND, lambda one: one["serves_now"])
    assert (ids(latest["to"]["activations"]), ids(latest["from"]["models"])) == (["shop:2"], [FIRST])
    assert ids(latest["from"]["versions"]) == [*reversed(chain.versions)]
    assert latest["from"]["examples"]["count"] == 20
    before = await chain.see("run", chain.first)
    assert (ids(before["to"]["runs"]), before["serves_now"]) == ([chain.second], True)
    ended = (await chain.see("activation", chain.activation))["facts"]
    assert ended["ended_at"] is not None
    assert ended["serves_now"] is False
    assert [one["serves_now"] for one in ended["targets"]] == [False, False]


async def _what_an_erased_dialog_touched_is_known(chain: Chain) -> None:
    lost = chain.examples[0]
    await send(
        chain.surroundings, DialogErased(dialog_id="d0", agent_id="shop", requested_at=now(), reason="asked")
    )
    gone = await chain.until_seen("dialog", "d0", lambda one: one["facts"]["erased_at"])
    (example,) = gone["to"]["examples"]["items"]
    assert (example["id"], example["gone"], gone["facts"]["branches"]) == (lost, True, [])
    assert ids(gone["to"]["versions"]) == [*reversed(chain.versions)]
    assert set(ids(gone["to"]["models"])) == {FIRST, STEP, SECOND}
    assert gone["serves_now"] is True
    held = (await chain.see("version", chain.versions[0]))["from"]["examples"]
    assert (held["count"], held["erased"]) == (10, 1)
    assert [one["id"] for one in held["items"] if one["erased"]] == [lost]
    assert "d0" not in {one["dialog_id"] for one in held["items"]}
    left = await chain.see("example", lost)
    assert (left["facts"]["state"], left["facts"]["revisions"]) == ("gone", [])
    assert (left["from"]["dialogs"], left["from"]["erased_dialogs"]) == ([], 1)


async def _strangers_and_what_came_of_no_dataset(chain: Chain, stranger: httpx.AsyncClient) -> None:
    nodes = {"dialog": "d1", "example": chain.examples[1], "version": chain.versions[0], "run": chain.first,
             "model": STEP, "activation": chain.activation}  # fmt: skip
    for kind, node in nodes.items():
        await chain.see(kind, node)
        assert (await stranger.get(path(kind, node))).status_code == 404, kind
        assert (await chain.api.get(path(kind, f"{node}x"))).status_code == 404, kind
    assert (await stranger.get(path("activation", "shop:1"))).status_code == 404
    unknown = await chain.api.get(path("model", BASE), headers={"Accept-Language": "ru"})
    assert (unknown.status_code, unknown.json()["kind"]) == (404, "model")
    assert "зарегистрированных вручную" in unknown.json()["action"]
    wrong = await chain.api.get(path("version", chain.versions[0]), params={"cursor": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_cursor")
