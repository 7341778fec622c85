"""The cap on a test chat: what was said a moment ago is on its way to the dialogs, so it is waited for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from console_svc.domain.session import Session
from console_svc.outbound.backends import Backends, Refusal
from console_svc.usecases.cap_dialog import Capped, Curation, Dialog

LOOKS, BETWEEN = 20, 0.3
"""How often, and with how many seconds between, dialog-svc is asked for the last message."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch of a test chat up to a message."""

    dialog: Dialog
    last_message: str


@dataclass(frozen=True, slots=True)
class ChatCuration:
    """Takes branches of test chats into datasets."""

    backends: Backends

    async def take(self, session: Session, language: str, branch: Branch) -> Capped:
        """Open a copy of a branch in its agent's dataset; raises Refusal."""
        path = f"/v1/dialogs/{branch.dialog.dialog_id}"
        for _ in range(LOOKS):
            if await self._arrived(session, language, branch, path):
                break
            await asyncio.sleep(BETWEEN)
        return await Curation(self.backends).take(session, language, branch.dialog, path)

    async def _arrived(self, session: Session, language: str, branch: Branch, path: str) -> bool:
        query = {"branch": branch.dialog.branch}
        try:
            found: Any = await self.backends.call(session, language, "dialogs", "GET", path, params=query)
        except Refusal as refusal:
            if refusal.code == "not_found":
                return False
            raise
        return any(one["id"] == branch.last_message for one in found["messages"])
