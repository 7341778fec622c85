"""SQL of sessions and of sign-ins that have begun."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime

from asyncpg import Record

from chassis.database import Connection
from chassis.keyring import Keyring
from chassis.vault import SealBrokenError, SecretId, seal, unseal
from console_svc.domain.session import Session, Tokens, hashed


@dataclass(frozen=True, slots=True)
class SignIn:
    """A sign-in that has begun."""

    state: str
    nonce: str
    verifier: str = field(repr=False)
    go_on: str


def _place(tenant: str, session_id: str) -> SecretId:
    return SecretId(tenant, f"session {hashed(session_id).hex()}", 1)


class SessionStore:
    """Keeps sessions with their tokens sealed."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def begin(self, connection: Connection, sign_in_id: str, begun: SignIn) -> None:
        """Remember a sign-in until the issuer sends the browser back."""
        await connection.execute(
            "INSERT INTO sign_ins (id_sha256, state, nonce, verifier, go_on) VALUES ($1, $2, $3, $4, $5)",
            hashed(sign_in_id),
            begun.state,
            begun.nonce,
            begun.verifier,
            begun.go_on,
        )

    async def take_begun(self, connection: Connection, sign_in_id: str, minutes: float) -> SignIn | None:
        """Return a sign-in that began at most so long ago; it is good once."""
        row = await connection.fetchrow(
            """
            DELETE FROM sign_ins WHERE id_sha256 = $1
            RETURNING state, nonce, verifier, go_on,
                created_at > clock_timestamp() - make_interval(secs => $2 * 60) AS young
            """,
            hashed(sign_in_id),
            minutes,
        )
        return (
            SignIn(row["state"], row["nonce"], row["verifier"], row["go_on"])
            if row and row["young"]
            else None
        )

    async def put(self, connection: Connection, session: Session) -> None:
        """Store a new session."""
        await connection.execute(
            """
            INSERT INTO sessions (id_sha256, tenant_id, subject, name, role, page_token, sealed, access_until,
                ends_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
            """,
            hashed(session.id),
            session.tenant,
            session.subject,
            session.name,
            session.role,
            session.page_token,
            self._sealed(session.tenant, session.id, session.tokens),
            session.tokens.until,
            session.ends_at,
        )

    async def get(self, connection: Connection, session_id: str, *, lock: bool = False) -> Session | None:
        """Return a session that has not ended, None when there is none or its seal does not open any more."""
        found = "SELECT * FROM sessions WHERE id_sha256 = $1 AND ends_at > clock_timestamp()"
        row = await connection.fetchrow(f"{found} FOR UPDATE" if lock else found, hashed(session_id))
        return self._session(session_id, row) if row else None

    def _session(self, session_id: str, row: Record) -> Session | None:
        try:
            kept = json.loads(unseal(self._keyring, _place(row["tenant_id"], session_id), row["sealed"]))
        except SealBrokenError:
            return None
        return Session(
            session_id, row["tenant_id"], row["subject"], row["name"], row["role"], row["page_token"],
            Tokens(kept["access"], kept["refresh"], row["access_until"]), row["ends_at"],
        )  # fmt: skip

    def _sealed(self, tenant: str, session_id: str, tokens: Tokens) -> bytes:
        text = json.dumps({"access": tokens.access, "refresh": tokens.refresh})
        return seal(self._keyring, _place(tenant, session_id), text)

    async def renew(self, connection: Connection, session: Session, tokens: Tokens) -> None:
        """Keep a session's newer tokens."""
        await connection.execute(
            "UPDATE sessions SET sealed = $2, access_until = $3 WHERE id_sha256 = $1",
            hashed(session.id),
            self._sealed(session.tenant, session.id, tokens),
            tokens.until,
        )

    async def end(self, connection: Connection, session_id: str) -> None:
        """Let a session go."""
        await connection.execute("DELETE FROM sessions WHERE id_sha256 = $1", hashed(session_id))

    async def forget_old(self, connection: Connection, before: datetime) -> None:
        """Delete sessions that ended, and sign-ins that began, before a time."""
        await connection.execute("DELETE FROM sessions WHERE ends_at < $1", before)
        await connection.execute("DELETE FROM sign_ins WHERE created_at < $1", before)
