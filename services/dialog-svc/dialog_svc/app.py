"""The composition root of dialog-svc: everything it does, wired in one place."""

from __future__ import annotations

from typing import cast

from chassis.consumer import Consumer
from chassis.service import Parts, Service, Surroundings
from contracts.chat import DialogEnded, DialogRatedInChat, MessagePosted
from dialog_svc.inbound import http
from dialog_svc.inbound.events import chat_fold
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.settings import DialogSettings

SCOPES = http.SCOPES


def compose(surroundings: Surroundings) -> Parts:
    """Return the parts of dialog-svc."""
    settings = cast(DialogSettings, surroundings.settings)
    transcripts = TranscriptStore(surroundings.objects, settings.inline_transcript)
    intake = Consumer(
        topic="chat.events",
        events=frozenset({MessagePosted, DialogEnded, DialogRatedInChat}),
        fold=chat_fold(transcripts),
        # a message's effect is keyed by its own id, so it needs no inbox row
        idempotent=frozenset({MessagePosted}),
    )
    return Parts(router=http.router(surroundings.database, transcripts), scopes=SCOPES, consumers=[intake])


def create_app(settings: DialogSettings) -> Service:
    """Return dialog-svc, ready to run."""
    return Service(settings, compose)
