"""Settings of agent-svc."""

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from chassis.settings import KeyedSettings


class TenantLimit(BaseModel):
    """A tenant's own limits; what is not said is as for all."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    requests_per_minute: int | None = Field(None, ge=0)
    requests_at_once: int | None = Field(None, ge=0)


class AgentSettings(KeyedSettings):
    """What agent-svc needs besides what every service needs. Times in seconds."""

    service: ClassVar[str] = "agent-svc"
    schema_name: ClassVar[str] = "agent_svc"

    catalogue: Path = Field(..., description="the operators' provider catalogue (YAML)")
    provider_timeout: float = Field(60.0, description="longest wait for an answer to begin")
    requests_per_minute: int = Field(
        600, ge=0, description="chat requests of one tenant, over all instances; 0: any number"
    )
    requests_at_once: int = Field(
        64, ge=0, description="chat requests of one tenant answered at once by one instance; 0: any number"
    )
    tenant_limits: dict[str, TenantLimit] = Field(
        default_factory=dict, description="JSON, other limits for some tenants"
    )
    breaker_failures: int = Field(5, ge=1, description="failures in a row after which the fallback stands in")
    breaker_window: float = Field(60.0, gt=0, description="a longer time without a failure ends the row")
    probe_every: float = Field(15.0, gt=0, description="how often a target that is out is asked again")
    probes: int = Field(2, ge=1, description="answers in a row that bring a target back")
    warming: float = Field(600.0, ge=0, description="how long after training a model may not be there yet")
    turn_hold: float = Field(
        120.0, gt=0, description="how long a request without an answer holds up the recording of later ones"
    )
    check_every: float = Field(86_400.0, description="how often a provider is asked of each key")
    check_poll: float = Field(5.0, description="how often it is looked which keys are due")
    tidy_every: float = Field(60.0, description="how often older seals and old secrets are looked for")
    old_key_days: float = Field(30.0, description="how long a replaced version of a key is kept, at least")
    unused_key_days: float = Field(1.0, description="how long a key that no agent uses is kept, at least")
    function_answer_days: float = Field(
        90.0, gt=0, description="how long a function's real answer is offered in test chats"
    )
