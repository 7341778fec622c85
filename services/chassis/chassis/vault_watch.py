"""Looks whether the master keys of this process are those by which the vault's secrets are sealed.

A secret says by which key it was sealed, so none is opened for that. With another key all else works:
only the first call to a provider would tell, by failing.
"""

from __future__ import annotations

from chassis.database import Database
from chassis.health import Health
from chassis.leases import Worker
from chassis.observability import log
from chassis.vault import Vault

EVERY = 60.0
PART = "master-key"


class VaultWatch:
    """Names in `missing` of `/readyz`, and in the log, the master keys that are not here."""

    def __init__(self, database: Database, vault: Vault, health: Health) -> None:
        self._database = database
        self._vault = vault
        self._health = health
        self._said: dict[str, int] = {}

    def worker(self) -> Worker:
        """Each process looks for itself: their files may differ."""
        return Worker("watch-master-keys", self.turn, every=EVERY)

    async def turn(self) -> bool:
        """Look once. `/readyz` stays green: a key that is lost for good must not stop the rest."""
        async with self._database.transaction() as transaction:
            unknown = await self._vault.under_unknown_keys(transaction.connection)
        if unknown:
            ids = ", ".join(sorted(unknown))
            self._health.missed(
                PART,
                f"{sum(unknown.values())} stored secrets were sealed by a master key that is not here "
                f"(id {ids}): add it to MORTARBOARD_MASTER_KEY_FILE below the first line; if it is lost, see "
                "docs/security.md",
                refused=False,
            )
        else:
            self._health.reached(PART)
        if unknown != self._said:
            level = log().error if unknown else log().info
            level("master_keys_missing", keys=sorted(unknown), secrets=sum(unknown.values()))
            self._said = unknown
        return False
