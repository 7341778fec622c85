"""Who is asked when one of the two that a route names cannot be."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from agent_svc.domain.agent import Agent
from agent_svc.domain.breaker import Breaker
from agent_svc.domain.gateway_errors import ProviderRefusalError
from agent_svc.outbound.chat import Answer, Models, Target
from agent_svc.outbound.route_store import Row
from agent_svc.usecases.answer_chat import Found, Planner, Ready, answer_chat
from agent_svc.usecases.fail_over import Failures
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.errors import Problem
from chassis.keyring import Keyring
from chassis.vault import SecretId, Vault

FIRST, SECOND = "01998a5e-0000-7000-8000-000000000001", "01998a5e-0000-7000-8000-000000000002"
LISTED = "providers: [{id: listed, base_url: 'https://8.8.8.8/v1'}, {id: second, base_url: 'https://8.8.4.4/v1'}]\n"


def found(vault: Vault, providers: list[str], *, opens: bool = True) -> Found:
    """An agent that is served at the first of `providers`, with the second as fallback."""
    named = [
        {"model": "m", "provider": provider, "key_id": key_id, "run_id": None}
        for provider, key_id in zip(providers, (FIRST, SECOND), strict=True)
    ]
    places = [SecretId("t", FIRST, 1), SecretId("t", SECOND, 1 if opens else 2)]
    row: dict[str, Any] = {
        "turn": None,
        "route_version": 1,
        "effective": {"targets": [named[0] | {"share": 1}], "fallback": named[1]},
        "key_ids": [FIRST, SECOND],
        "providers": providers,
        "key_versions": [1, 1],
        "variables": [{}, {}],
        "sealed": [vault.seal(place, "sk-canary") for place in places],
    }
    definition = {"provider": "listed", "base_model": "b", "prompt": "", "tools": []}
    agent = Agent("shop", 1, definition, "", datetime.now(UTC))
    return Found(Ready(agent, cast(Any, None), None), cast(Row, row))


@pytest.fixture
def planner(tmp_path: Path) -> tuple[Planner, Vault]:
    path, vault = tmp_path / "catalogue.yaml", Vault(Keyring.of(os.urandom(32)))
    path.write_text(LISTED)
    return Planner(Database("", "", "agent_svc", source="/t"), vault, Catalogue(path), 1.0), vault


def test_a_provider_that_operators_unlisted_leaves_the_other_to_answer(
    planner: tuple[Planner, Vault],
) -> None:
    plans, vault = planner
    for providers in (["listed", "unlisted"], ["unlisted", "listed"]):
        plan = plans.plan("t", "d1", found(vault, providers))
        assert [place.provider for place in plan.targets] == ["listed"]
        assert (plan.who.first.provider, plan.who.fallback and plan.who.fallback.provider) == tuple(providers)
    with pytest.raises(Problem, match="provider_unknown"):
        plans.plan("t", "d1", found(vault, ["unlisted", "elsewhere"]))


def test_a_key_that_does_not_open_leaves_the_other_to_answer(planner: tuple[Planner, Vault]) -> None:
    plans, vault = planner
    plan = plans.plan("t", "d1", found(vault, ["listed", "second"], opens=False))
    assert [place.key_id for place in plan.targets] == [FIRST]


class Refusing(Models):
    """Providers that answer each with the status that stands for it here."""

    def __init__(self, statuses: dict[str, int]) -> None:
        super().__init__(1.0)
        self._statuses = statuses

    async def ask(self, target: Target, body: bytes, *, streamed: bool, patience: float = 0.0) -> Answer:
        raise ProviderRefusalError(self._statuses[target.provider])


def unanswered(provider: str, reason: str) -> float:
    labels = {"provider": provider, "reason": reason}
    return REGISTRY.get_sample_value("mortarboard_gateway_unanswered_total", labels) or 0.0


@pytest.mark.parametrize(
    ("first", "fallback", "told", "provider", "reason"),
    [
        (500, 401, "key_refused", "listed", "unavailable"),  # a fallback without its key is as none
        (401, 0, "unavailable", "second", "unavailable"),
        (403, 401, "key_refused", "listed", "key_refused"),
        (403, 404, "gone", "second", "gone"),
        (401, 429, "busy", "second", "busy"),
        (429, 401, "busy", "listed", "busy"),  # no matter of the target: nobody else is asked
        (400, 401, "rejected", "listed", "rejected"),
    ],
)
async def test_what_nobody_answers_is_counted_once_by_what_was_in_the_way(
    planner: tuple[Planner, Vault], first: int, fallback: int, told: str, provider: str, reason: str
) -> None:
    plans, vault = planner
    plan = plans.plan("t", "d1", found(vault, ["listed", "second"]))
    failures = Failures(plans._database, plans._catalogue, Breaker(9, 60.0), warming=0, pause=1)
    reasons = ("key_refused", "gone", "unavailable", "busy", "rejected")
    places = [(one, why) for one in ("listed", "second") for why in reasons]
    before = {place: unanswered(*place) for place in places}
    models = Refusing({"listed": first, "second": fallback})
    with pytest.raises(ProviderRefusalError) as caught:
        await answer_chat(models, failures, plan, "t", {"messages": []})
    await failures.drain()
    assert caught.value.kind == told
    counted = {place: unanswered(*place) - before[place] for place in places}
    assert counted == dict.fromkeys(places, 0.0) | {(provider, reason): 1.0}
