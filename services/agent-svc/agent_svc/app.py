"""The composition root of agent-svc: everything it does, wired in one place."""

from __future__ import annotations

from typing import cast

from agent_svc.inbound import events, http
from agent_svc.inbound.gateway import Recorder
from agent_svc.outbound.chat import Models
from agent_svc.outbound.provider import Provider
from agent_svc.settings import AgentSettings
from chassis.catalogue import Catalogue
from chassis.consumer import Consumer
from chassis.service import Parts, Service, Surroundings
from chassis.vault import Vault

SCOPES = http.SCOPES


def compose(surroundings: Surroundings) -> Parts:
    """Return the parts of agent-svc."""
    settings = cast(AgentSettings, surroundings.settings)
    vault = Vault(settings.master_key_bytes())
    provider, models = Provider(settings.provider_timeout), Models(settings.provider_timeout)
    recorder = Recorder(surroundings.database)
    catalogue = Catalogue(settings.catalogue)
    return Parts(
        router=http.router(surroundings.database, vault, catalogue, provider, models, recorder),
        scopes=SCOPES,
        consumers=[
            Consumer.of("model.activated", events.MODEL_ACTIVATED),
            Consumer.of("training.status", events.TRAINING_STATUS),
        ],
        closing=[recorder.drain, models.close, provider.close],
    )


def create_app(settings: AgentSettings) -> Service:
    """Return agent-svc, ready to run."""
    return Service(settings, compose)
