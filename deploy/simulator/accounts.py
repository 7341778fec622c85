"""Who asks: every API key is an account, an organisation and a project of its own.

Keys that differ only in what follows a `~` open the same account, as an organisation's new key does.
"""

import hashlib
from dataclasses import dataclass

from deploy.simulator import errors


@dataclass(frozen=True, slots=True)
class Account:
    """One key's owner. The key itself is never stored."""

    id: str

    @property
    def organisation(self) -> str:
        """As in a job's `organization_id`."""
        return f"org-{self.id}"

    @property
    def slug(self) -> str:
        """As in the name of a fine-tuned model."""
        return f"sim-{self.id[:8]}"


def account_of_key(key: str) -> Account:
    """The account that a key opens."""
    return Account(hashlib.sha256(b"simulator:" + key.partition("~")[0].encode()).hexdigest()[:24])


def bearer(header: str | None) -> str | None:
    """The key in an Authorization header; None without one."""
    scheme, _, key = (header or "").partition(" ")
    return key.strip() or None if scheme.lower() == "bearer" else None


def authenticate(header: str | None) -> Account:
    """The account of an Authorization header; raises the real 401 otherwise."""
    key = bearer(header)
    if key is None:
        raise errors.key_missing()
    if not key.startswith("sk-"):
        raise errors.key_wrong(key)
    return account_of_key(key)
