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
