"""The composition root of agent-svc: everything it does, wired in one place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from agent_svc.inbound import events, http
from agent_svc.inbound.gateway import Recorder
from agent_svc.inbound.schedules import workers
from agent_svc.outbound.chat import Models
from agent_svc.outbound.provider import Provider
from agent_svc.settings import AgentSettings
from agent_svc.usecases.check_keys import KeyChecks
from chassis.catalogue import Catalogue
from chassis.service import Parts, Service, Surroundings
from chassis.vault import Vault

SCOPES = http.SCOPES


def compose(surroundings: Surroundings) -> Parts:
    """Return the parts of agent-svc."""
    settings = cast(AgentSettings, surroundings.settings)
    database = surroundings.database
    vault, catalogue = Vault(settings.keyring()), Catalogue(settings.catalogue)
    provider, models = Provider(settings.provider_timeout), Models(settings.provider_timeout)
    recorder = Recorder(database)
    checks = KeyChecks(database, vault, catalogue, provider, lambda: datetime.now(UTC), settings.check_every)
    return Parts(
        router=http.router(database, vault, catalogue, checks, models, recorder),
        scopes=SCOPES,
        consumers=events.consumers(catalogue),
        workers=workers(checks, settings),
        closing=[recorder.drain, models.close, provider.close],
    )


def create_app(settings: AgentSettings) -> Service:
    """Return agent-svc, ready to run."""
    return Service(settings, compose)
