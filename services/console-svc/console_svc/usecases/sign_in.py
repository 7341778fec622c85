"""Sign in, stay signed in, sign out."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from chassis import audit
from chassis.database import Connection, Database
from console_svc.domain.session import Session, new_id, safe_path
from console_svc.outbound.identity import Identity, SignInRefusedError
from console_svc.outbound.session_store import SessionStore, SignIn

MINUTES = 10.0
"""How long a sign-in may take."""
NOBODYS = ""
"""Sessions are looked for before it is known whose they are: no tenant's rows are seen meanwhile."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What the browser gets back: its session, and where to go on."""

    session: Session
    go_on: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Lets people in and out."""

    database: Database
    store: SessionStore
    identity: Identity
    hours: float

    async def begin(self, go_on: str) -> tuple[str, str]:
        """Return (the id of the sign-in, for a cookie; the address to send the browser to)."""
        begun = SignIn(
            secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48), safe_path(go_on)
        )
        url = await self.identity.way_there(begun.state, begun.nonce, begun.verifier)
        sign_in_id = new_id()
        async with self.database.tenant_transaction(NOBODYS) as transaction:
            await self.store.begin(transaction.connection, sign_in_id, begun)
        return sign_in_id, url

    async def finish(self, sign_in_id: str, code: str, state: str) -> SignedIn:
        """Return the session that a code of the issuer opens; raises SignInRefusedError."""
        async with self.database.tenant_transaction(NOBODYS) as transaction:
            begun = await self.store.take_begun(transaction.connection, sign_in_id, MINUTES)
        if begun is None or not hmac.compare_digest(begun.state.encode(), state.encode()):
            raise SignInRefusedError("this sign-in was not begun here, or too long ago")
        person, tokens = await self.identity.take_code(code, begun.verifier, begun.nonce)
        session = Session(
            new_id(), person.tenant, person.subject, person.name, person.role, new_id(), tokens,
            datetime.now(UTC) + timedelta(hours=self.hours),
        )  # fmt: skip
        async with self.database.tenant_transaction(session.tenant) as transaction:
            await self.store.put(transaction.connection, session)
            await self._note(transaction.connection, session, "signed_in")
        return SignedIn(session, begun.go_on)

    async def find(self, session_id: str) -> Session | None:
        """Return a session with an access token that is still good; None when it has ended.

        One request renews the token, others of the session wait for it: a refresh token is good once.
        """
        async with self.database.tenant_transaction(NOBODYS) as transaction:
            session = await self.store.get(transaction.connection, session_id)
        if session is None or not session.is_due(datetime.now(UTC)):
            return session
        async with self.database.tenant_transaction(NOBODYS) as transaction:
            session = await self.store.get(transaction.connection, session_id, lock=True)
            if session is None or not session.is_due(datetime.now(UTC)):
                return session
            try:
                tokens = await self.identity.renew(session.tokens.refresh)
            except SignInRefusedError:
                await self.store.end(transaction.connection, session_id)
                return None
            await self.store.renew(transaction.connection, session, tokens)
        return replace(session, tokens=tokens)

    async def leave(self, session: Session) -> None:
        """End a session."""
        async with self.database.tenant_transaction(session.tenant) as transaction:
            await self.store.end(transaction.connection, session.id)
            await self._note(transaction.connection, session, "signed_out")

    async def tidy(self) -> bool:
        """Forget what ended a day ago."""
        async with self.database.transaction() as transaction:
            await self.store.forget_old(transaction.connection, datetime.now(UTC) - timedelta(days=1))
        return False

    async def _note(self, connection: Connection, session: Session, action: str) -> None:
        await audit.record(
            connection, tenant=session.tenant, subject=session.subject, action=action,
            object_id=session.subject,
        )  # fmt: skip
