"""Who did what: the audit trails of the services and of the console itself, as one, newest first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis import audit
from chassis.database import Database
from console_svc.domain.session import Session
from console_svc.outbound.backends import Backends, Name, Refusal

SERVICES: tuple[Name, ...] = ("dialogs", "datasets", "training", "agents")


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first; the cursor of those before them; and the services that gave none."""

    entries: list[dict[str, Any]]
    following: str
    silent: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Activity:
    """Reads them. Ids of entries hold their time, so one cursor goes for all trails."""

    database: Database
    backends: Backends

    async def page(self, session: Session, language: str, cursor: UUID | None, size: int) -> Page:
        """Return up to `size` entries before the entry `cursor`, of whichever services answer."""
        found = await asyncio.gather(
            *(self._of_service(session, language, name, cursor, size) for name in SERVICES),
            self._own(session, cursor, size),
            return_exceptions=True,
        )
        entries, silent = [], []
        for one in found:
            if isinstance(one, Refusal):
                silent.append(one)
            elif isinstance(one, BaseException):
                raise one
            else:
                entries += one
        entries.sort(key=lambda entry: str(entry["id"]), reverse=True)
        more = len(entries) > size
        return Page(entries[:size], str(entries[size - 1]["id"]) if more else "", tuple(silent))

    async def _of_service(
        self, session: Session, language: str, name: Name, cursor: UUID | None, size: int
    ) -> list[dict[str, Any]]:
        query = {"limit": size + 1} | ({"cursor": str(cursor)} if cursor else {})
        answer = await self.backends.call(session, language, name, "GET", "/v1/audit", params=query)
        return list(answer["items"])

    async def _own(self, session: Session, cursor: UUID | None, size: int) -> list[dict[str, Any]]:
        async with self.database.tenant_transaction(session.tenant) as transaction:
            return await audit.page(transaction.connection, session.tenant, size + 1, cursor)
