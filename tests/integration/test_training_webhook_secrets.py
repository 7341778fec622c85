"""Webhooks' secrets and reports as rows: sealed anew by the newest master key, forgotten in time."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from chassis.database import Database
from chassis.health import Health
from chassis.keyring import Keyring, master_key_id
from chassis.vault import SecretId, Vault
from chassis.vault_watch import VaultWatch
from deploy.ctl import dump
from deploy.stack.services import Surroundings
from training_svc.outbound import webhook_store
from training_svc.usecases.keep_webhooks import add_webhook, set_secret, tidy_webhooks

SECRET = "whsec_" + base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
async def opened(surroundings: Surroundings) -> AsyncIterator[Database]:
    worker = surroundings.databases.url(surroundings.database, "training_svc")
    http = surroundings.databases.url(surroundings.database, "training_svc_http")
    database = Database(worker, http, "training_svc", "/training-svc")
    await database.open()
    yield database
    await database.close()


async def _hook(database: Database, vault: Vault) -> str:
    async with database.tenant_transaction("acme") as transaction:
        hook_id = await add_webhook(transaction, tenant="acme", subject="ann", provider="openai")
        await set_secret(transaction, vault, tenant="acme", subject="ann", hook_id=hook_id, secret=SECRET)
    return hook_id


async def test_secrets_of_webhooks_follow_the_newest_master_key(opened: Database) -> None:
    old, new = os.urandom(32), os.urandom(32)
    hook_id = await _hook(opened, Vault(Keyring.of(old)))
    await tidy_webhooks(opened, Vault(Keyring.of(new, old)))
    async with opened.tenant_connection() as connection:
        webhook = await webhook_store.find(connection, hook_id)
    assert webhook is not None
    place = SecretId("acme", hook_id, webhook.version)
    assert Vault(Keyring.of(new)).open(place, webhook.sealed or b"") == SECRET


async def test_a_master_key_that_is_not_the_one_of_the_stored_keys_is_named(
    opened: Database, surroundings: Surroundings
) -> None:
    old, new = os.urandom(32), os.urandom(32)
    async with dump.owner_of(surroundings.databases, surroundings.database, "agent_svc") as connection:
        for tenant in ("acme", "globex"):
            await Vault(Keyring.of(old)).put(connection, SecretId(tenant, str(uuid4()), 1), "sk-1")
    health = Health()
    await VaultWatch(opened, Vault(Keyring.of(new)), health).turn()
    assert health.missing()["master-key"].startswith("2 stored secrets")
    assert master_key_id(old).hex() in health.missing()["master-key"]
    assert await health.ready() == {}, "the rest goes on"
    await VaultWatch(opened, Vault(Keyring.of(new, old)), health).turn()
    assert health.missing() == {}


async def test_reports_are_remembered_for_as_long_as_they_are_sent_again(opened: Database) -> None:
    vault = Vault(Keyring.of(os.urandom(32)))
    hook_id = await _hook(opened, vault)
    async with opened.tenant_connection() as connection:
        webhook = await webhook_store.find(connection, hook_id)
    assert webhook is not None
    async with opened.transaction() as transaction:
        for report, hours in (("young", 71), ("old", 73)):
            assert await webhook_store.note_report(transaction.connection, webhook, report)
            await transaction.connection.execute(
                "UPDATE webhook_reports SET at = now() - make_interval(hours => $2) WHERE report_id = $1",
                report,
                hours,
            )
    await tidy_webhooks(opened, vault)
    async with opened.transaction() as transaction:
        again = [
            await webhook_store.note_report(transaction.connection, webhook, report)
            for report in ("young", "old")
        ]
    assert again == [False, True]
