"""Sealed secrets: AES-256-GCM with the owner, the id and the version as associated data."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chassis.database import Connection
from chassis.errors import Permanent

NONCE = 12


class SealBrokenError(Permanent):
    """The sealed secret does not open: another master key, or it was moved or changed."""


@dataclass(frozen=True, slots=True)
class SecretId:
    """Which secret: whose, which, and which version of it."""

    tenant: str
    key_id: str
    version: int

    def aad(self) -> bytes:
        """Return the associated data that ties a sealed secret to its place."""
        return json.dumps([self.tenant, self.key_id, self.version]).encode()


def seal(master: bytes, secret_id: SecretId, secret: str) -> bytes:
    """Return nonce and ciphertext of `secret`."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(master).encrypt(nonce, secret.encode(), secret_id.aad())


def unseal(master: bytes, secret_id: SecretId, sealed: bytes) -> str:
    """Return the secret; raises SealBrokenError when it was not sealed for this place."""
    try:
        return AESGCM(master).decrypt(sealed[:NONCE], sealed[NONCE:], secret_id.aad()).decode()
    except InvalidTag:
        raise SealBrokenError("the sealed secret does not open here") from None


def fingerprint(master: bytes, secret: str) -> str:
    """Return an HMAC by which the same secret is recognised without being known (32 hex digits)."""
    derived = hmac.new(master, b"mortarboard key fingerprint", hashlib.sha256).digest()
    return hmac.new(derived, secret.encode(), hashlib.sha256).hexdigest()[:32]


class Vault:
    """The sealed secrets in schema `vault`: written by agent-svc, read by it and training-svc."""

    def __init__(self, master: bytes) -> None:
        self._master = master

    async def put(self, connection: Connection, secret_id: SecretId, secret: str) -> None:
        """Store one version of a secret; versions are never overwritten."""
        await connection.execute(
            "INSERT INTO vault.secrets (tenant_id, key_id, version, sealed) VALUES ($1, $2, $3, $4)",
            secret_id.tenant,
            UUID(secret_id.key_id),
            secret_id.version,
            seal(self._master, secret_id, secret),
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
        return seal(self._master, secret_id, secret)

    def open(self, secret_id: SecretId, sealed: bytes) -> str:
        """Return the secret of what was read from the vault; raises SealBrokenError."""
        return unseal(self._master, secret_id, sealed)

    def fingerprint(self, secret: str) -> str:
        """Return the HMAC by which the same secret is recognised."""
        return fingerprint(self._master, secret)
