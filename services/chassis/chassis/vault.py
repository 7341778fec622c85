"""Sealed secrets: AES-256-GCM with the owner, the id and the version as associated data.

What lies in the vault: 1 byte of format, the master key's id (8), the nonce (12), ciphertext and tag.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from prometheus_client import Gauge

from chassis.database import Connection
from chassis.errors import Permanent, describe
from chassis.keyring import ID_BYTES, Keyring
from chassis.observability import log

FORMAT = b"\x01"
NONCE = 12
HEAD = len(FORMAT) + ID_BYTES
FINGERPRINT_KEY = UUID(int=0)
"""The id under which a tenant's own fingerprint key lies: sealed like any secret, shown to nobody."""


secrets_under_older_keys = Gauge(
    "mortarboard_secrets_under_older_keys", "Sealed secrets that the newest master key does not open yet"
)


class SealBrokenError(Permanent):
    """The sealed secret does not open: it was moved or changed."""


@dataclass(frozen=True, slots=True)
class SecretId:
    """Which secret: whose, which, and which version of it."""

    tenant: str
    key_id: str
    version: int

    def aad(self) -> bytes:
        """Return the associated data that ties a sealed secret to its place."""
        return json.dumps([self.tenant, self.key_id, self.version]).encode()


def seal(keyring: Keyring, secret_id: SecretId, secret: str) -> bytes:
    """Return `secret` sealed by the newest master key."""
    master_id, master = keyring.newest
    nonce = os.urandom(NONCE)
    return FORMAT + master_id + nonce + AESGCM(master).encrypt(nonce, secret.encode(), secret_id.aad())


def unseal(keyring: Keyring, secret_id: SecretId, sealed: bytes) -> str:
    """Return the secret; raises SealBrokenError when it was not sealed for this place."""
    if sealed[: len(FORMAT)] != FORMAT:
        raise SealBrokenError("the sealed secret has another format")
    master, rest = keyring.find(sealed[len(FORMAT) : HEAD]), sealed[HEAD:]
    try:
        return AESGCM(master).decrypt(rest[:NONCE], rest[NONCE:], secret_id.aad()).decode()
    except InvalidTag:
        raise SealBrokenError("the sealed secret does not open here") from None


def fingerprint(key: str, secret: str) -> str:
    """Return an HMAC by which the same secret is recognised without being known (32 hex digits)."""
    return hmac.new(bytes.fromhex(key), secret.encode(), hashlib.sha256).hexdigest()[:32]


class Vault:
    """The sealed secrets in schema `vault`: written by agent-svc, read by it and training-svc."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def put(self, connection: Connection, secret_id: SecretId, secret: str) -> None:
        """Store one version of a secret; versions are never overwritten."""
        await connection.execute(
            "INSERT INTO vault.secrets (tenant_id, key_id, version, sealed) VALUES ($1, $2, $3, $4)",
            secret_id.tenant,
            UUID(secret_id.key_id),
            secret_id.version,
            seal(self._keyring, secret_id, secret),
        )

    async def get(self, connection: Connection, secret_id: SecretId) -> str | None:
        """Return the secret, or None when there is no such version."""
        sealed = await connection.fetchval(
            "SELECT sealed FROM vault.secrets WHERE tenant_id = $1 AND key_id = $2 AND version = $3",
            secret_id.tenant,
            UUID(secret_id.key_id),
            secret_id.version,
        )
        return None if sealed is None else self.open(secret_id, bytes(sealed))

    def seal(self, secret_id: SecretId, secret: str) -> bytes:
        """Return `secret` sealed, for a table of one's own."""
        return seal(self._keyring, secret_id, secret)

    def open(self, secret_id: SecretId, sealed: bytes) -> str:
        """Return the secret of what was read from the vault; raises SealBrokenError."""
        return unseal(self._keyring, secret_id, sealed)

    def older_heads(self) -> list[bytes]:
        """Return how begins (`HEAD` bytes) what an older master key has sealed, after a look at the keys."""
        self._keyring.refresh()
        return [FORMAT + one for one in self._keyring.older]

    def newest_head(self) -> bytes:
        """Return how begins (`HEAD` bytes) what the newest master key seals."""
        return FORMAT + self._keyring.newest[0]

    async def newest(self, connection: Connection, tenant: str, key_id: str) -> int:
        """Return the newest version of a secret that lies in the vault, 0 when none does."""
        found = await connection.fetchval(
            "SELECT max(version) FROM vault.secrets WHERE tenant_id = $1 AND key_id = $2",
            tenant,
            UUID(key_id),
        )
        return int(found or 0)

    async def fingerprint(self, connection: Connection, tenant: str, secret: str) -> str:
        """Return the HMAC by which the same secret is recognised within a tenant.

        Its key is the tenant's own and lies in the vault, made when first asked for: a change of master keys
        changes no fingerprint, and two tenants' fingerprints of one secret have nothing in common.
        """
        place = SecretId(tenant, str(FINGERPRINT_KEY), 1)
        await connection.execute(
            "INSERT INTO vault.secrets (tenant_id, key_id, version, sealed) VALUES ($1, $2, 1, $3) "
            "ON CONFLICT DO NOTHING",
            tenant,
            FINGERPRINT_KEY,
            seal(self._keyring, place, os.urandom(32).hex()),
        )
        return fingerprint(await self.get(connection, place) or "", secret)

    async def reseal(self, connection: Connection, limit: int) -> int:
        """Seal secrets of older master keys by the newest one, at most `limit`; returns how many.

        The keyring looks at its file first. Whoever else does the same takes other rows. One that does not
        open any more stays as it is.
        """
        rows = await connection.fetch(
            "SELECT tenant_id, key_id, version, sealed FROM vault.secrets "
            "WHERE substr(sealed, 1, $1) = ANY ($2) ORDER BY random() LIMIT $3 FOR UPDATE SKIP LOCKED",
            HEAD,
            self.older_heads(),
            limit,
        )
        resealed = 0
        for row in rows:
            place = SecretId(row["tenant_id"], str(row["key_id"]), row["version"])
            try:
                secret = self.open(place, bytes(row["sealed"]))
            except SealBrokenError as error:  # it opens nowhere any more; the others must not wait for it
                log().error("seal_broken", key_id=place.key_id, version=place.version, error=describe(error))
                continue
            resealed += 1
            await connection.execute(
                "UPDATE vault.secrets SET sealed = $4 WHERE tenant_id = $1 AND key_id = $2 AND version = $3",
                place.tenant,
                row["key_id"],
                place.version,
                seal(self._keyring, place, secret),
            )
        return resealed

    async def under_unknown_keys(self, connection: Connection) -> dict[str, int]:
        """Return how many secrets master keys sealed that are not here, by their id (hex)."""
        known = [*self.older_heads(), self.newest_head()]
        rows = await connection.fetch(
            "SELECT substr(sealed, 1, $1) AS head, count(*) AS secrets FROM vault.secrets "
            "WHERE substr(sealed, 1, $1) <> ALL ($2) GROUP BY 1",
            HEAD,
            known,
        )
        return {bytes(row["head"])[len(FORMAT) :].hex(): row["secrets"] for row in rows}

    async def under_older_keys(self, connection: Connection) -> int:
        """Return how many secrets are not sealed by the newest master key: 0 means the others may go."""
        head = self.newest_head()
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM vault.secrets WHERE substr(sealed, 1, $1) <> $2", HEAD, head
            )
        )
