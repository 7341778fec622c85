"""A session: who is signed in, and what a page needs to know of it."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from chassis.auth import ROLES

RENEW_BEFORE = 30.0
"""Seconds before its end from which an access token is renewed."""

MOST_PATH = 2_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """The issuer's tokens of a session; never shown."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    until: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. `id` is what the cookie holds; the store knows only its hash."""

    id: str = field(repr=False)
    tenant: str
    subject: str
    name: str
    role: str
    page_token: str = field(repr=False)
    tokens: Tokens
    ends_at: datetime

    @property
    def person(self) -> str:
        """Tell people apart, also those of the same name in another tenant."""
        return hashlib.sha256(f"{self.tenant}\0{self.subject}".encode()).hexdigest()[:16]

    def may(self, right: str) -> bool:
        """Whether pages offer what needs this right; the services decide for themselves."""
        return right in ROLES.get(self.role, frozenset())

    def is_due(self, now: datetime) -> bool:
        """Whether its access token is at its end, or nearly."""
        return (self.tokens.until - now).total_seconds() < RENEW_BEFORE


def new_id() -> str:
    """Return an unguessable id of 256 bits."""
    return secrets.token_urlsafe(32)


def hashed(session_id: str) -> bytes:
    """Return what the store knows a session by."""
    return hashlib.sha256(session_id.encode()).digest()


def safe_path(path: str) -> str:
    """Return where to go on after signing in: a path of ours, else the beginning."""
    plain = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if plain and len(path) <= MOST_PATH else "/"
