"""Agents, what their keys can do, and what serves them: published by agent-svc."""

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field

from contracts.event import (
    Count,
    Event,
    JsonObject,
    Label,
    OpaqueId,
    Sha256,
    Timestamp,
    UuidId,
    Value,
    Version,
    absent,
)

SHARE_TOLERANCE = 1e-6

Capability = Literal["yes", "no", "unverified"]


class FunctionSpec(Value):
    """A function that the model may call; what it holds beyond these fields is kept as given."""

    model_config = ConfigDict(extra="allow")

    name: Label
    description: Annotated[str | None, Field(exclude_if=absent)] = None
    parameters: Annotated[JsonObject | None, Field(exclude_if=absent)] = None


class Tool(Value):
    """A tool in OpenAI's form."""

    model_config = ConfigDict(extra="allow")

    type: Literal["function"] = "function"
    function: FunctionSpec


class ProviderKey(Value):
    """What is known of a provider key; never the key."""

    key_id: UuidId
    version: Version
    provider: Label
    last4: Annotated[str, Field(max_length=4)]
    fingerprint: Label
    organisation: Label | None = None
    training: Capability
    infer: Capability
    because: Label | None = None
    since: date | None = None
    missing_scope: Label | None = None
    checked_at: Timestamp | None = None
    variables: Annotated[dict[Label, Label] | None, Field(exclude_if=absent)] = None
    """What the provider's address needs of the tenant (the name of a resource), by the catalogue's names."""


class AgentUpdated(Event):
    """An agent as of a version: prompt, tools, base model, keys."""

    TYPE: ClassVar[str] = "agent.updated.v1"
    TOPIC: ClassVar[str] = "agent.updated"
    KEY: ClassVar[str] = "agent_id"

    agent_id: OpaqueId
    version: Version
    name: Label
    prompt: str
    tools: tuple[Tool, ...]
    parallel_tool_calls: bool | None = None
    fingerprint: Sha256
    base_model: Label
    provider: Label
    idle_seconds: Count
    recorded_by: Literal["gateway", "backend"]
    keys: tuple[ProviderKey, ...]


class Target(Value):
    """A model to ask, with the key to ask it by and the run that made it, if one of ours did."""

    model: Label
    provider: Label
    key_id: UuidId
    run_id: UuidId | None = None


class SharedTarget(Target):
    """A target with its share of the agent's dialogs."""

    share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


def _shares_sum_to_one(targets: tuple[SharedTarget, ...]) -> tuple[SharedTarget, ...]:
    if abs(sum(target.share for target in targets) - 1) > SHARE_TOLERANCE:
        raise ValueError("shares must sum to 1")
    return targets


Targets = Annotated[
    tuple[SharedTarget, ...], Field(min_length=1, max_length=16), AfterValidator(_shares_sum_to_one)
]


class Route(Value):
    """Which models serve an agent, by share, and what answers when they cannot."""

    targets: Targets
    fallback: Target | None = None


class Retirement(Value):
    """A model that the agent's route names and that its provider ends."""

    model: Label
    provider: Label
    on: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    """The day from which it no longer answers, YYYY-MM-DD."""


class AgentRouted(Event):
    """What serves this agent now, and why; null while nothing does."""

    TYPE: ClassVar[str] = "agent.routed.v1"
    TOPIC: ClassVar[str] = "agent.routed"
    KEY: ClassVar[str] = "agent_id"

    agent_id: OpaqueId
    route_version: Count
    activation_id: UuidId | None = None
    desired: Route | None
    effective: Route | None
    reason: Literal["activated", "rolled_back", "failed_over", "recovered", "retired", "rejected", "retiring"]
    because: Label | None = None
    """A code beside the reason: why an activation was rejected, or what a target failed with."""
    retiring: tuple[Retirement, ...] = ()
    """Models of the desired route with a known end, the nearest first."""
