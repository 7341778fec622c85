"""All SQL about what agent-svc says: agents with their keys, and what serves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chassis.database import Connection
from contracts.agents import AgentRouted, AgentUpdated


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as last heard of; `keys` as in agent.updated."""

    agent_id: str
    version: int
    base_model: str
    provider: str
    fingerprint: str
    keys: list[dict[str, Any]]

    def key_for(self, provider: str) -> dict[str, Any] | None:
        """Return what is known of the agent's key at a provider."""
        return next((key for key in self.keys if key["provider"] == provider), None)

    def key_version(self, key_id: str) -> int | None:
        """Return the newest version of a key."""
        versions = [int(key["version"]) for key in self.keys if key["key_id"] == key_id]
        return max(versions, default=None)

    def variables(self, key_id: str) -> dict[str, str]:
        """Return what the provider's address needs of the tenant, as the newest version of a key says."""
        known = [key for key in self.keys if key["key_id"] == key_id]
        newest = max(known, key=lambda key: int(key["version"]), default=None)
        return dict(newest.get("variables") or {}) if newest else {}


async def put_agent(connection: Connection, tenant: str, event: AgentUpdated, sequence: int) -> None:
    """Remember an agent's newest version; an older event changes nothing."""
    await connection.execute(
        """
        INSERT INTO agents AS a
            (tenant_id, agent_id, sequence, version, base_model, provider, fingerprint, keys)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (tenant_id, agent_id) DO UPDATE SET
            sequence = excluded.sequence, version = excluded.version, base_model = excluded.base_model,
            provider = excluded.provider, fingerprint = excluded.fingerprint, keys = excluded.keys
        WHERE a.sequence <= excluded.sequence
        """,
        tenant,
        event.agent_id,
        sequence,
        event.version,
        event.base_model,
        event.provider,
        event.fingerprint,
        [key.model_dump(mode="json") for key in event.keys],
    )


async def get_agent(connection: Connection, tenant: str, agent_id: str) -> Agent | None:
    """Return an agent."""
    row = await connection.fetchrow(
        "SELECT agent_id, version, base_model, provider, fingerprint, keys FROM agents "
        "WHERE tenant_id = $1 AND agent_id = $2",
        tenant,
        agent_id,
    )
    return Agent(**row) if row else None


async def put_route(connection: Connection, tenant: str, event: AgentRouted, sequence: int) -> None:
    """Remember what serves an agent; an older event, such as a dead letter sent again, changes nothing."""
    await connection.execute(
        """
        INSERT INTO routes AS r
            (tenant_id, agent_id, route_version, activation_id, desired, effective, reason, sequence)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (tenant_id, agent_id) DO UPDATE SET
            route_version = excluded.route_version, activation_id = excluded.activation_id,
            desired = excluded.desired, effective = excluded.effective, reason = excluded.reason,
            sequence = excluded.sequence
        WHERE r.sequence <= excluded.sequence
        """,
        tenant,
        event.agent_id,
        event.route_version,
        event.activation_id,
        event.desired.model_dump(mode="json") if event.desired else None,
        event.effective.model_dump(mode="json") if event.effective else None,
        event.reason,
        sequence,
    )


async def get_route(connection: Connection, tenant: str, agent_id: str) -> Any:
    """Return what serves an agent (route_version, desired, effective, reason), or None."""
    return await connection.fetchrow(
        "SELECT route_version, activation_id, desired, effective, reason FROM routes "
        "WHERE tenant_id = $1 AND agent_id = $2",
        tenant,
        agent_id,
    )
