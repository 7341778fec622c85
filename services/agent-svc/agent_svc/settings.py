"""Settings of agent-svc."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from chassis.settings import KeyedSettings


class AgentSettings(KeyedSettings):
    """What agent-svc needs besides what every service needs. Times in seconds."""

    service: ClassVar[str] = "agent-svc"
    schema_name: ClassVar[str] = "agent_svc"

    catalogue: Path = Field(..., description="the operators' provider catalogue (YAML)")
    provider_timeout: float = Field(60.0, description="longest wait for an answer to begin")
    check_every: float = Field(86_400.0, description="how often a provider is asked of each key")
    check_poll: float = Field(5.0, description="how often it is looked which keys are due")
    tidy_every: float = Field(60.0, description="how often older seals and old secrets are looked for")
    old_key_days: float = Field(30.0, description="how long a replaced version of a key is kept, at least")
    unused_key_days: float = Field(1.0, description="how long a key that no agent uses is kept, at least")
