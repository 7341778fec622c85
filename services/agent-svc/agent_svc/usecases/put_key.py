"""Take a provider key in: sealed at once, never shown again; another key is not put in its place unawares."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from uuid_utils.compat import uuid7

from agent_svc.domain.errors import key_not_taken, models_would_stop, no_agent
from agent_svc.domain.key import OF_THE_ACCOUNT, Key, Probe, Replacement, after_probe, in_service, replacement
from agent_svc.outbound import agent_store, key_store, route_store
from agent_svc.usecases.publish_agent import publish_agent, publish_agents_of
from chassis import audit
from chassis.catalogue import Catalogue
from chassis.database import Connection, Transaction
from chassis.vault import SecretId, Vault


@dataclass(frozen=True, slots=True)
class NewKey:
    """A pasted key, what the provider says of it, and which models the owner lets go for it."""

    secret: str
    probe: Probe
    variables: Mapping[str, str]
    accepted: Collection[str] | None = None

    @property
    def last4(self) -> str:
        """Its last four characters."""
        return self.secret[-4:]


async def serving_by_key(
    connection: Connection, tenant: str, agent_id: str, provider: str
) -> dict[str, bool]:
    """Return the models that the agent's key answers for now, of all agents that share it; own ones are true.

    Raises a 404 Problem for an unknown agent.
    """
    if await agent_store.get_agent(connection, tenant, agent_id) is None:
        raise no_agent()
    key = await key_store.key_at(connection, tenant, agent_id, provider)
    if key is None:
        return {}
    agents = await key_store.agents_with_key(connection, tenant, key.key_id)
    return await _serving(connection, tenant, agents, provider)


async def _serving(
    connection: Connection, tenant: str, agents: Collection[str], provider: str
) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for agent_id in agents:
        agent = await agent_store.get_agent(connection, tenant, agent_id)
        if agent is not None:
            row = await route_store.current_route(connection, tenant, agent_id)
            # what the owner wants, too: a model that the fallback stands in for is to come back
            for route in (row["desired"], row["effective"]) if row else (None,):
                found |= in_service(provider, route, agent.definition)
    return found


async def put_key(
    transaction: Transaction,
    vault: Vault,
    catalogue: Catalogue,
    new: NewKey,
    *,
    tenant: str,
    subject: str,
    agent_id: str,
    provider: str,
) -> Key:
    """Seal the key and let the agent use it; the same secret at two agents is one key.

    A key of the same account becomes a newer version of the one it replaces, for every agent that uses that;
    one of another account is a key of its own, for this agent. Raises a 404 Problem for an unknown agent, a
    422 for a key that the provider refuses, a 409 that names the models that would stop answering.
    """
    connection = transaction.connection
    await agent_store.lock_agent(connection, tenant, agent_id)
    await key_store.lock_keys(connection, tenant, provider)
    if await agent_store.get_agent(connection, tenant, agent_id) is None:
        raise no_agent()
    if new.probe.refused:
        raise key_not_taken()
    now = await key_store.database_time(connection)
    fingerprint = await vault.fingerprint(connection, tenant, new.secret)
    bound = await key_store.key_at(connection, tenant, agent_id, provider)
    known = await key_store.find_key(connection, tenant, provider, fingerprint)
    plan = await _checked(connection, tenant, agent_id, bound, known, new)
    if known is not None:
        key = after_probe(known, new.probe, now, by_hand=True)
    elif bound is not None and plan is not None and plan.same_account:
        key = _renewed(bound, fingerprint, new, now)
    else:
        blank = Key(str(uuid7()), provider, 1, new.last4, fingerprint, "unverified", "unverified", None, None)
        key = after_probe(blank, new.probe, now)
        await key_store.insert_key(connection, tenant, key)
    key = replace(await _sealed(connection, vault, tenant, key, new.secret), variables=new.variables)
    await key_store.update_key(connection, tenant, key)
    await key_store.bind_key(connection, tenant, agent_id, provider, key.key_id)
    await key_store.note_use(connection, tenant, provider)
    await publish_agents_of(transaction, catalogue, tenant, key.key_id, now)
    await audit.record(
        connection, tenant=tenant, subject=subject, action="key.put", object_id=agent_id, provider=provider,
        key_id=key.key_id, version=key.version, stopped=list(plan.stops) if plan else [],
    )  # fmt: skip
    return key


async def _checked(
    connection: Connection, tenant: str, agent_id: str, bound: Key | None, known: Key | None, new: NewKey
) -> Replacement | None:
    """Return what is replaced; raises the 409 unless that is harmless or the owner named what stops."""
    if bound is None or (known is not None and known.key_id == bound.key_id):
        return None
    everyone = await key_store.agents_with_key(connection, tenant, bound.key_id)
    plan = replacement(bound, await _serving(connection, tenant, everyone, bound.provider), new.probe)
    if known is not None or not plan.same_account:
        alone = await _serving(connection, tenant, [agent_id], bound.provider)
        plan = replace(replacement(bound, alone, new.probe), same_account=False)
    if not plan.harmless and (new.accepted is None or not set(plan.stops) <= set(new.accepted)):
        raise models_would_stop(plan.stops, other_organisation=plan.other_organisation)
    return plan


def _renewed(bound: Key, fingerprint: str, new: NewKey, now: datetime) -> Key:
    """Return the next version of a key; what the provider refuses the whole account stays known."""
    stays = bound.because in OF_THE_ACCOUNT
    fresh = replace(
        bound, version=bound.version + 1, fingerprint=fingerprint, last4=new.last4, infer="unverified",
        training=bound.training if stays else "unverified", because=bound.because if stays else None,
        since=bound.since if stays else None, missing_scope=None,
    )  # fmt: skip
    return after_probe(fresh, new.probe, now)


async def _sealed(connection: Connection, vault: Vault, tenant: str, key: Key, secret: str) -> Key:
    """Put the secret into the vault unless it is there; one deleted since comes back as a new version."""
    place = SecretId(tenant, key.key_id, key.version)
    there = await vault.get(connection, place)
    if there == secret:
        return key
    if there is not None or await vault.newest(connection, tenant, key.key_id) >= key.version:
        key = replace(key, version=key.version + 1)
    await vault.put(connection, SecretId(tenant, key.key_id, key.version), secret)
    return key


async def remove_key(
    transaction: Transaction, catalogue: Catalogue, *, tenant: str, subject: str, agent_id: str, provider: str
) -> bool:
    """Take the key from the agent; its secret goes when nobody needs it. Returns whether there was one."""
    connection = transaction.connection
    await agent_store.lock_agent(connection, tenant, agent_id)
    await key_store.lock_keys(connection, tenant, provider)
    if await agent_store.get_agent(connection, tenant, agent_id) is None:
        raise no_agent()
    if not await key_store.unbind_key(connection, tenant, agent_id, provider):
        return False
    await key_store.note_use(connection, tenant, provider)
    await publish_agent(transaction, catalogue, tenant, agent_id)
    await audit.record(
        connection,
        tenant=tenant,
        subject=subject,
        action="key.deleted",
        object_id=agent_id,
        provider=provider,
    )
    return True
