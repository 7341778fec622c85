"""Webhooks as their owner sees them: an address first, then the secret that the provider gives for it."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from chassis import audit
from chassis.database import Database, Transaction
from chassis.observability import log
from chassis.vault import SealBrokenError, SecretId, Vault, secrets_under_older_keys
from training_svc.domain.errors import bad_secret, no_webhook, too_many_webhooks
from training_svc.outbound import webhook_store
from training_svc.outbound.signature import is_secret
from training_svc.outbound.webhook_store import Webhook

MOST = 20
RESEAL_AT_ONCE = 100


async def add_webhook(transaction: Transaction, *, tenant: str, subject: str, provider: str) -> str:
    """Make an address for a provider's reports; returns its id, 122 random bits."""
    hook_id = str(uuid4())
    if not await webhook_store.insert(transaction.connection, tenant, hook_id, provider, MOST):
        raise too_many_webhooks(MOST)
    await _record(transaction, tenant, subject, "webhook_added", hook_id)
    return hook_id


async def set_secret(
    transaction: Transaction, vault: Vault, *, tenant: str, subject: str, hook_id: str, secret: str
) -> None:
    """Seal the secret by which the provider signs; it replaces the one before."""
    if not is_secret(secret):
        raise bad_secret()
    webhook = await webhook_store.lock(transaction.connection, tenant, hook_id)
    if webhook is None:
        raise no_webhook()
    version = webhook.version + 1
    sealed = vault.seal(SecretId(tenant, hook_id, version), secret)
    await webhook_store.set_secret(transaction.connection, replace(webhook, version=version, sealed=sealed))
    await _record(transaction, tenant, subject, "webhook_secret_set", hook_id)


async def remove_webhook(transaction: Transaction, *, tenant: str, subject: str, hook_id: str) -> None:
    """Remove an address: what is reported to it from now on is refused."""
    if not await webhook_store.delete(transaction.connection, tenant, hook_id):
        raise no_webhook()
    await _record(transaction, tenant, subject, "webhook_removed", hook_id)


async def tidy_webhooks(database: Database, vault: Vault) -> bool:
    """Drop the memory of reports that no provider sends again, and seal secrets by the newest master key."""
    async with database.transaction() as transaction:
        await webhook_store.forget_reports(transaction.connection)
    sealed = 0
    async with database.transaction() as transaction:
        connection = transaction.connection
        for webhook in await webhook_store.lock_sealed_by(connection, vault.older_heads(), RESEAL_AT_ONCE):
            sealed += await _seal_anew(transaction, vault, webhook)
        left = await webhook_store.count_not_sealed_by(connection, vault.newest_head())
    secrets_under_older_keys.set(left)
    return sealed == RESEAL_AT_ONCE


async def _seal_anew(transaction: Transaction, vault: Vault, webhook: Webhook) -> bool:
    """Seal one secret by the newest master key; a damaged one is left, and must hold up no other."""
    place = SecretId(webhook.tenant, webhook.hook_id, webhook.version)
    try:
        secret = vault.open(place, webhook.sealed or b"")
    except SealBrokenError:
        log().error("secret_does_not_open", hook_id=webhook.hook_id)
        return False
    sealed = vault.seal(place, secret)
    await webhook_store.set_secret(transaction.connection, replace(webhook, sealed=sealed))
    return True


async def _record(transaction: Transaction, tenant: str, subject: str, action: str, hook_id: str) -> None:
    await audit.record(
        transaction.connection, tenant=tenant, subject=subject, action=action, object_id=hook_id
    )
