"""Live pages: three topics, read from now on, passed on to the open pages of the same tenant."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from chassis.broadcast import Broadcast
from chassis.envelope import AnyReceived
from console_svc.domain.live import ENDED, LAST, Hub, Kind, Listener, News
from console_svc.domain.session import Session, hashed
from console_svc.outbound.identity import IssuerUnavailableError
from console_svc.usecases.sign_in import Desk
from contracts.agents import AgentRouted
from contracts.datasets import DatasetChanged
from contracts.event import Event
from contracts.training import TrainingStatus

LOOK_AGAIN = 60.0
"""Seconds after which a page's session is looked at again."""
STILL_HERE = 20.0
"""Seconds of silence after which a comment keeps the connection open through proxies."""
SAID: tuple[tuple[type[Event], Kind], ...] = (
    (TrainingStatus, "run"),
    (AgentRouted, "agent"),
    (DatasetChanged, "dialog"),
)


def broadcasts(hub: Hub) -> list[Broadcast]:
    """Return the readers of what pages are told."""

    def reader(event: type[Event], kind: Kind) -> Broadcast:
        def pass_on(received: AnyReceived) -> None:
            hub.tell(received.tenant, News(kind, received.event.key(), received.sequence))

        return Broadcast(event.TOPIC, frozenset({event}), pass_on, from_now=True)

    return [reader(event, kind) for event, kind in SAID]


def add_live(routes: APIRouter, hub: Hub, desk: Desk) -> None:
    """Add the stream that an open page listens to."""

    @routes.get("/live")
    async def live(request: Request) -> StreamingResponse:
        """Tell what changes, as server-sent events, until the session ends."""
        session: Session = request.state.session
        listener = hub.listen(session.tenant, hashed(session.id))
        return StreamingResponse(
            _stream(hub, desk, session.id, listener),
            media_type="text/event-stream",
            headers={"X-Accel-Buffering": "no"},
        )


async def _stream(hub: Hub, desk: Desk, session_id: str, listener: Listener) -> AsyncIterator[str]:
    looked = time.monotonic()
    yield "retry: 2000\n\n"
    try:
        while True:
            try:
                news = await asyncio.wait_for(listener.waiting.get(), STILL_HERE)
            except TimeoutError:
                news = None
            if time.monotonic() - looked > LOOK_AGAIN:
                looked = time.monotonic()
                if not await _goes_on(desk, session_id):
                    news = ENDED
            yield _written(news) if news else ": still here\n\n"
            if news in LAST:
                return
    finally:
        hub.leave(listener)


async def _goes_on(desk: Desk, session_id: str) -> bool:
    """Tell whether a session has not ended; an issuer that is silent ends none."""
    try:
        return await desk.find(session_id) is not None
    except IssuerUnavailableError:
        return True


def _written(news: News) -> str:
    data = json.dumps({"kind": news.kind, "id": news.id, "sequence": news.sequence})
    return f"data: {data}\n\n"
