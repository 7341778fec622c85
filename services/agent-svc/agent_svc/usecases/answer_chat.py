"""Answer a chat request by the model that serves the agent now, or by the fallback when that fails."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from prometheus_client import Counter

from agent_svc.domain.agent import Agent
from agent_svc.domain.errors import no_agent, no_key, no_provider
from agent_svc.domain.gateway_errors import (
    RECOVERABLE,
    UNAUTHORIZED,
    ProviderRefusalError,
    too_many_a_minute,
)
from agent_svc.domain.recording import INSTRUCTIONS
from agent_svc.domain.routing import Candidates, Place, candidates
from agent_svc.outbound import route_store
from agent_svc.outbound.chat import Answer, Models, Target, target_at
from agent_svc.usecases.fail_over import Failures
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.errors import describe
from chassis.observability import log
from chassis.vault import SealBrokenError, SecretId, Vault

MOST_AGENTS = 512
answered_by = Counter(
    "mortarboard_gateway_answers_total",
    "Chat requests by who answered: the first model, its fallback, or nobody",
    ["provider", "by"],
)
unanswered = Counter(
    "mortarboard_gateway_unanswered_total",
    "Chat requests that nobody answered, by what was in the way; key_refused: nothing else was",
    ["provider", "reason"],
)


@dataclass(frozen=True, slots=True)
class Ready:
    """An agent's version with its prompt and functions as they go into a request."""

    agent: Agent
    instruction: orjson.Fragment
    tools: orjson.Fragment | None


@dataclass(frozen=True, slots=True)
class AskingKey:
    """The key that an agent has at a provider now, as it lies in the vault."""

    key_id: str
    provider: str
    version: int
    variables: dict[str, str]
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """The agent that is asked, and the row that says what serves it."""

    ready: Ready
    row: route_store.Row

    @property
    def turn(self) -> int | None:
        """The request's number in its dialog; whoever took it must give it up."""
        number: int | None = self.row["turn"]
        return number


@dataclass(frozen=True, slots=True)
class Plan:
    """Who answers, and all that is needed to ask."""

    ready: Ready
    who: Candidates
    targets: Mapping[Place, Target]
    keys: Mapping[str, AskingKey]
    route_version: int


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that has begun, who gives it, and why somebody else did not."""

    answer: Answer
    by: Place
    instead: ProviderRefusalError | None


class Planner:
    """Looks up who answers, with one statement; versions of agents never change and are kept."""

    def __init__(self, database: Database, vault: Vault, catalogue: Catalogue, hold: float) -> None:
        self._database = database
        self._vault = vault
        self._catalogue = catalogue
        self._hold = hold
        self._ready: OrderedDict[tuple[str, str], Ready] = OrderedDict()

    async def find(self, tenant: str, agent_id: str, dialog_id: str, *, in_turn: bool, rate: int) -> Found:
        """Look the agent up; with `in_turn` the request takes its turn in the dialog.

        Raises a 404 Problem for an unknown agent and a 429 beyond `rate` a minute: then no turn is taken.
        """
        known = self._ready.get((tenant, agent_id))
        if known is not None:
            self._ready.move_to_end((tenant, agent_id))
        if known is not None and known.agent.definition["recorded_by"] != "gateway":
            in_turn = False  # nothing of it is recorded here
        async with self._database.tenant_connection() as connection:
            row = await route_store.plan_answer(
                connection,
                tenant=tenant,
                agent_id=agent_id,
                known=known.agent.version if known else 0,
                dialog=dialog_id if in_turn else None,
                rate=rate,
                hold=self._hold,
            )
        if row is None:
            raise no_agent()
        if row["wait"] > 0:
            raise too_many_a_minute(row["wait"])
        ready = self._keep(tenant, agent_id, row) if row["definition"] is not None else known
        assert ready is not None  # noqa: S101 -- the definition is left out only when it is known
        return Found(ready, row)

    def _keep(self, tenant: str, agent_id: str, row: route_store.Row) -> Ready:
        agent = Agent(agent_id, row["version"], row["definition"], row["fingerprint"], row["updated_at"])
        message = orjson.dumps({"role": "system", "content": agent.prompt})
        tools = orjson.Fragment(orjson.dumps(agent.tools)) if agent.tools else None
        ready = Ready(agent, orjson.Fragment(message), tools)
        self._ready[tenant, agent_id] = ready
        while len(self._ready) > MOST_AGENTS:
            self._ready.popitem(last=False)
        return ready

    def plan(self, tenant: str, dialog_id: str, found: Found) -> Plan:
        """Return who answers; raises a 409 Problem when there is no key, a 422 without a provider."""
        ready, row = found.ready, found.row
        columns = (
            row["key_ids"] or (),
            row["providers"] or (),
            row["key_versions"] or (),
            row["variables"] or (),
            row["sealed"] or (),
        )
        held = [AskingKey(str(key_id), *rest) for key_id, *rest in zip(*columns, strict=True)]
        keys = {key.provider: key for key in held}
        definition = ready.agent.definition
        own = keys.get(definition["provider"])
        base = Place(own.provider, definition["base_model"], own.key_id) if own else None
        who = candidates(ready.agent.agent_id, dialog_id, row["effective"], base)
        if who is None:
            raise no_key()
        asked = [place for place in (who.first, who.fallback) if place is not None and place.provider in keys]
        if not asked:
            raise no_key()
        reached = {place: self._target(tenant, keys[place.provider]) for place in asked}
        # whoever cannot be asked at all leaves the other one to answer
        targets = {place: target for place, target in reached.items() if target is not None}
        if not targets:
            raise no_provider()
        return Plan(ready, who, targets, keys, row["route_version"])

    def _target(self, tenant: str, key: AskingKey) -> Target | None:
        """Return how to ask a key's provider; None when its secret does not open or operators unlisted it."""
        try:
            secret = self._vault.open(SecretId(tenant, key.key_id, key.version), key.sealed)
        except SealBrokenError as error:
            log().error("key_does_not_open", key_id=key.key_id, error=describe(error))
            return None
        return target_at(self._catalogue, key.provider, secret, key.variables)


def body_for(request: Mapping[str, Any], ready: Ready, model: str) -> bytes:
    """Return the request to the provider, with the agent's prompt and functions if it has none of its own."""
    messages = request["messages"]
    full = {**request, "model": model}
    if not any(message.get("role") in INSTRUCTIONS for message in messages):
        full["messages"] = [ready.instruction, *messages]
    if ready.tools is not None and "tools" not in request:
        full["tools"] = ready.tools
        parallel = ready.agent.definition.get("parallel_tool_calls")
        if parallel is not None:
            full.setdefault("parallel_tool_calls", parallel)
    return orjson.dumps(full)


async def answer_chat(
    models: Models, failures: Failures, plan: Plan, tenant: str, request: Mapping[str, Any]
) -> Answered:
    """Ask the model that serves, then the fallback if that one fails before its first byte.

    Raises ProviderRefusalError of the last one asked.
    """
    agent_id = plan.ready.agent.agent_id
    streamed = request.get("stream") is True
    refused: list[tuple[Place, ProviderRefusalError]] = []
    for place in (plan.who.first, plan.who.fallback):
        if place is None:
            break
        target = plan.targets.get(place)
        try:
            if target is None:
                # its key was taken away, or cannot be used
                raise ProviderRefusalError(0 if place.provider in plan.keys else UNAUTHORIZED)
            body = body_for(request, plan.ready, place.model)
            answer = await models.ask(target, body, streamed=streamed)
        except ProviderRefusalError as refusal:
            refused.append((place, refusal))
            if refusal.status == UNAUTHORIZED and (key := plan.keys.get(place.provider)) is not None:
                failures.unauthorized(tenant, key.key_id, key.version)
            if refusal.kind not in RECOVERABLE:
                _nobody(refused)
                raise
            if place == plan.who.first:
                failures.failed(tenant, agent_id, place, refusal)
            continue
        answered_by.labels(place.provider, "first" if place == plan.who.first else "fallback").inc()
        if answer.ended:
            failures.answered(tenant, agent_id, place)
        return Answered(answer, place, refused[0][1] if refused else None)
    _nobody(refused)
    raise refused[-1][1]


def _nobody(refused: Sequence[tuple[Place, ProviderRefusalError]]) -> None:
    """Count a request without an answer: as an owner's refused key only where nothing else was in the way."""
    place, refusal = next((one for one in refused if one[1].kind != "key_refused"), refused[0])
    answered_by.labels(place.provider, "nobody").inc()
    unanswered.labels(place.provider, refusal.kind).inc()
