"""Take a provider key in: sealed at once, never shown again."""

from __future__ import annotations

from uuid_utils.compat import uuid7

from agent_svc.domain.agent import Key
from agent_svc.domain.errors import no_agent
from agent_svc.outbound import agent_store as store
from agent_svc.usecases.publish_agent import publish_agent
from chassis import audit
from chassis.database import Transaction
from chassis.vault import SecretId, Vault


async def put_key(
    transaction: Transaction,
    vault: Vault,
    *,
    tenant: str,
    subject: str,
    agent_id: str,
    provider: str,
    secret: str,
) -> Key:
    """Seal `secret` and bind it to the agent; the same secret at two agents is one key."""
    connection = transaction.connection
    await store.lock_agent(connection, tenant, agent_id)
    if await store.get_agent(connection, tenant, agent_id) is None:
        raise no_agent()
    fresh = uuid7()
    key = await store.upsert_key(
        connection,
        tenant=tenant,
        key_id=fresh,
        provider=provider,
        fingerprint=vault.fingerprint(secret),
        last4=secret[-4:],
    )
    if key.key_id == str(fresh):
        await vault.put(connection, SecretId(tenant, key.key_id, key.version), secret)
    await store.bind_key(connection, tenant, agent_id, provider, key.key_id)
    await publish_agent(transaction, tenant, agent_id)
    await audit.record(
        connection, tenant=tenant, subject=subject, action="key.put", object_id=agent_id, provider=provider
    )
    return key
