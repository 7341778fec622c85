"""How long text is kept: a class for a tenant or one of its agents, else the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

FOR_EVER = 0
CLASSES = (FOR_EVER, 30, 90, 365)  # days


@dataclass(frozen=True, slots=True)
class Retention:
    """`exceptions` by "tenant" or "tenant/agent", percent-encoded as in the topics' keys."""

    default: int = 365
    exceptions: Mapping[str, int] = field(default_factory=dict)

    def days(self, tenant: str, agent_id: str) -> int:
        """Return the class of an agent's dialogs: days after their last message; 0 is for ever."""
        if not self.exceptions:
            return self.default
        owner = quote(tenant, safe="")
        of_tenant = self.exceptions.get(owner, self.default)
        return self.exceptions.get(f"{owner}/{quote(agent_id, safe='')}", of_tenant)
