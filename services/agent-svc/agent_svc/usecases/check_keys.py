"""Ask providers of keys once a day, without sending them anything; and keep the vault in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from agent_svc.domain.key import Key, Probe
from agent_svc.outbound import key_store
from agent_svc.outbound.provider import Provider
from agent_svc.usecases.note_key import note_probe
from agent_svc.usecases.publish_agent import publish_agents_of, standing_now, told_of
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.observability import log
from chassis.untrusted import UnsafeAddressError
from chassis.vault import SecretId, Vault, secrets_under_older_keys

LEASE = 120.0
UNREACHED_AGAIN = 900.0
RESEAL_AT_ONCE = 100
DAY = 86_400.0

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class KeyChecks:
    """What checking keys needs; `every` in seconds."""

    database: Database
    vault: Vault
    catalogue: Catalogue
    provider: Provider
    clock: Clock
    every: float = DAY

    async def turn(self) -> bool:
        """Check the key that is due longest; False when none is."""
        async with self.database.transaction() as transaction:
            due = await key_store.claim_due(transaction.connection, LEASE)
        if due is None:
            return False
        probe = await self.ask(due.tenant, due.key)
        now = self.clock()
        async with self.database.transaction() as transaction:
            key = await note_probe(
                transaction, self.catalogue, tenant=due.tenant, seen=due.key, probe=probe, now=now
            )
            # a closing date passes without anything being seen
            if due.told != told_of(key, standing_now(key, self.catalogue, now)):
                await publish_agents_of(transaction, self.catalogue, due.tenant, key.key_id, now)
            pause = self.every if probe.reached else min(UNREACHED_AGAIN, self.every)
            await key_store.set_due(transaction.connection, due.tenant, key.key_id, pause)
        return True

    async def ask(self, tenant: str, key: Key, secret: str | None = None) -> Probe:
        """Return what the provider says of a key, outside any transaction."""
        entry = self.catalogue.provider(key.provider)
        if secret is None:
            async with self.database.transaction() as transaction:
                place = SecretId(tenant, key.key_id, key.version)
                secret = await self.vault.get(transaction.connection, place)
        if entry is None or secret is None:
            return Probe()
        try:
            return await self.provider.probe(entry, key.variables, secret)
        except UnsafeAddressError:  # operators changed the address since: nothing can be asked
            return Probe()


def tidy_vault(
    database: Database, vault: Vault, replaced_for: float, unused_for: float
) -> Callable[[], Awaitable[bool]]:
    """Return the worker's turn that seals by the newest master key and deletes what nobody needs."""

    async def turn() -> bool:
        async with database.transaction() as transaction:
            resealed = await vault.reseal(transaction.connection, RESEAL_AT_ONCE)
            dropped = await key_store.drop_old_secrets(transaction.connection, replaced_for, unused_for)
            left = await vault.under_older_keys(transaction.connection)
        secrets_under_older_keys.set(left)
        if resealed or dropped:
            log().info("vault_tidied", resealed=resealed, dropped=dropped, left=left)
        return resealed == RESEAL_AT_ONCE

    return turn
