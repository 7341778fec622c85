"""Who asks: every API key is an account, an organisation and a project of its own.

Keys that differ only in what follows a `~` open the same account, as an organisation's new key does.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

from deploy.simulator import errors

Manner = Literal["", "slow", "poor", "narrow"]
MANNERS: dict[str, Manner] = {"sk-slow-": "slow", "sk-poor-": "poor", "sk-narrow-": "narrow"}
"""How a key begins whose account behaves as real ones sometimes do, for trying out what that looks like."""
SLOWER = 30.0


@dataclass(frozen=True, slots=True)
class Account:
    """One key's owner. The key itself is never stored."""

    id: str
    manner: Manner = ""
    """`slow`: its jobs take `SLOWER` times as long; `poor`: no money for one; `narrow`: no files."""

    @property
    def pace(self) -> float:
        """What the speed of its jobs is multiplied with."""
        return 1 / SLOWER if self.manner == "slow" else 1.0

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
    manner: Manner = next((manner for begins, manner in MANNERS.items() if key.startswith(begins)), "")
    return Account(hashlib.sha256(b"simulator:" + key.partition("~")[0].encode()).hexdigest()[:24], manner)


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
