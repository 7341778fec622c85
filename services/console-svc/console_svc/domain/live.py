"""What an open page is told while it is open: that something of its tenant changed, never what it says."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

MOST_WAITING = 256
"""News that wait for one page; a page further behind reads all of its parts again."""
MOST_PAGES = 32
"""Open pages of one session; one more ends the one that was opened first."""

Kind = Literal["run", "agent", "dialog", "behind", "ended", "closing"]


@dataclass(frozen=True, slots=True)
class News:
    """Something changed. `sequence` rises with each change of the same thing, 0 where there is no thing."""

    kind: Kind
    id: str = ""
    sequence: int = 0


BEHIND, ENDED, CLOSING = News("behind"), News("ended"), News("closing")
LAST = (ENDED, CLOSING)
"""After which nothing comes."""


@dataclass(eq=False, slots=True)
class Listener:
    """One open page of a session."""

    tenant: str
    session: bytes
    waiting: asyncio.Queue[News] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))

    def tell(self, news: News) -> None:
        """Queue news; a page that is too far behind is only told so."""
        if self.waiting.full():
            self._drop()
            news = BEHIND if news not in LAST else news
        self.waiting.put_nowait(news)

    def end(self, why: News) -> None:
        """Tell it why nothing comes any more, at once."""
        self._drop()
        self.waiting.put_nowait(why)

    def _drop(self) -> None:
        while not self.waiting.empty():
            self.waiting.get_nowait()


class Hub:
    """Passes news on to the open pages of their tenant in this process."""

    def __init__(self) -> None:
        self._by_tenant: dict[str, list[Listener]] = defaultdict(list)
        self._closing = False

    def listen(self, tenant: str, session: bytes) -> Listener:
        """Return a new listener; `session` is what the store knows the session by."""
        listener = Listener(tenant, session)
        if self._closing:
            listener.end(CLOSING)
            return listener
        same = [one for one in self._by_tenant[tenant] if one.session == session]
        if len(same) >= MOST_PAGES:
            same[0].end(CLOSING)
            self.leave(same[0])
        self._by_tenant[tenant].append(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener; nothing when it is forgotten."""
        left = [one for one in self._by_tenant[listener.tenant] if one is not listener]
        if left:
            self._by_tenant[listener.tenant] = left
        else:
            del self._by_tenant[listener.tenant]

    def tell(self, tenant: str, news: News) -> None:
        """Pass news on; never waits."""
        for listener in self._by_tenant.get(tenant, ()):
            listener.tell(news)

    def end_session(self, tenant: str, session: bytes) -> None:
        """Tell the pages of a session that it has ended."""
        for listener in self._by_tenant.get(tenant, ()):
            if listener.session == session:
                listener.end(ENDED)

    def close(self) -> None:
        """Tell every page that this process ends; it will find another."""
        self._closing = True
        for listeners in self._by_tenant.values():
            for listener in listeners:
                listener.end(CLOSING)
