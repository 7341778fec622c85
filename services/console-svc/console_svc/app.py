"""The composition root of console-svc: everything it does, wired in one place."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, FastAPI

from chassis.leases import Worker
from chassis.routes import api_router
from chassis.service import Parts, Service, Surroundings
from console_svc.domain.live import Hub
from console_svc.inbound import (
    activity,
    agent_edit,
    agents,
    cap,
    chat_cap,
    chat_stream,
    chats,
    comparing,
    dialogs,
    editor,
    editor_text,
    home,
    lineage,
    live,
    models,
    runs,
    sign_in_pages,
    tuning,
    versions,
)
from console_svc.inbound.asking import Asking, add_refusals
from console_svc.inbound.guard import Guard
from console_svc.inbound.static import static_files
from console_svc.outbound.backends import Backends
from console_svc.outbound.identity import Identity
from console_svc.outbound.session_store import SessionStore
from console_svc.settings import ConsoleSettings
from console_svc.usecases.cap_dialog import Curation
from console_svc.usecases.edit_example import Editing
from console_svc.usecases.read_activity import Activity
from console_svc.usecases.sign_in import Desk


def compose(surroundings: Surroundings) -> Parts:
    """Return the parts of console-svc."""
    settings = cast(ConsoleSettings, surroundings.settings)
    identity, backends = Identity(settings), Backends(settings)
    desk = Desk(surroundings.database, SessionStore(settings.keyring()), identity, settings.session_hours)
    guard, hub = Guard(settings, desk), Hub()
    pages = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    pages.middleware("http")(guard)
    add_refusals(pages)
    pages.mount("/static", static_files())
    router = api_router()
    sign_in_pages.add_pages(router, desk, hub, guard.cookies, settings.session_hours)
    home.add_pages(router, Asking(backends))
    agents.add_pages(router, Asking(backends))
    agent_edit.add_pages(router, Asking(backends))
    dialogs.add_pages(router, Asking(backends))
    for pages_of in (chats, chat_stream, chat_cap, comparing, models, runs, lineage, tuning, versions):
        pages_of.add_pages(router, Asking(backends))
    editing = Editing(backends)
    cap.add_pages(router, Curation(backends), editing)
    editor.add_pages(router, editing)
    editor_text.add_pages(router, editing)
    activity.add_pages(router, Activity(surroundings.database, backends))
    live.add_live(router, hub, desk)
    pages.include_router(router)
    return Parts(
        router=APIRouter(),
        scopes={},
        pages=pages,
        workers=[Worker("tidy-sessions", desk.tidy, every=600.0, leased=True, stale_after=2000.0)],
        broadcasts=live.broadcasts(hub),
        stopping=[hub.close],
        closing=[identity.close, backends.close],
    )


def create_app(settings: ConsoleSettings) -> Service:
    """Return console-svc, ready to run."""
    return Service(settings, compose)
