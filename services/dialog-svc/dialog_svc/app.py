"""The composition root of dialog-svc: everything it does, wired in one place."""

from __future__ import annotations

from typing import cast

from chassis.consumer import Consumer, dispatch
from chassis.service import Parts, Service, Surroundings
from contracts.agents import AgentUpdated
from contracts.chat import DialogEnded, DialogRatedInChat, MessagePosted
from contracts.datasets import DatasetChanged
from contracts.dialogs import DialogForgotten
from dialog_svc.inbound import http
from dialog_svc.inbound.events import chat_fold, on_agent_updated, on_dialog_forgotten
from dialog_svc.inbound.http_erasures import Patience
from dialog_svc.inbound.schedules import ERASE, workers
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.settings import DialogSettings
from dialog_svc.usecases.note_membership import note_membership

SCOPES = http.SCOPES


def compose(surroundings: Surroundings) -> Parts:
    """Return the parts of dialog-svc."""
    settings = cast(DialogSettings, surroundings.settings)
    transcripts = TranscriptStore(surroundings.objects, settings.inline_transcript)
    intake = Consumer(
        topic="chat.events",
        events=frozenset({MessagePosted, DialogEnded, DialogRatedInChat}),
        fold=chat_fold(transcripts, settings.retention),
        # a message's effect is keyed by its own id, so it needs no inbox row
        idempotent=frozenset({MessagePosted}),
    )
    agents = Consumer(
        topic="agent.updated",
        events=frozenset({AgentUpdated}),
        fold=dispatch({AgentUpdated: on_agent_updated}),
        # the version guards it
        idempotent=frozenset({AgentUpdated}),
    )
    members = Consumer("dataset.changed", frozenset({DatasetChanged}), note_membership)
    reports = Consumer.of("dialog.forgotten", {DialogForgotten: on_dialog_forgotten})
    database = surroundings.database
    return Parts(
        router=http.router(
            database, transcripts, Patience(settings.erase_wait, lambda: surroundings.wake(ERASE))
        ),
        scopes=SCOPES,
        consumers=[intake, agents, members, reports],
        workers=workers(database, transcripts, surroundings.objects, settings),
    )


def create_app(settings: DialogSettings) -> Service:
    """Return dialog-svc, ready to run."""
    return Service(settings, compose)
