"""The composition root of agent-svc: everything it does, wired in one place."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

from agent_svc.domain.breaker import Breaker
from agent_svc.domain.limits import Limit, Limits
from agent_svc.inbound import events, gateway_schedules, http, schedules
from agent_svc.inbound.figures import counts
from agent_svc.inbound.gateway import Gateway
from agent_svc.inbound.recorder import Recorder
from agent_svc.outbound.chat import Models
from agent_svc.outbound.provider import Provider
from agent_svc.settings import AgentSettings
from agent_svc.usecases.answer_chat import Planner
from agent_svc.usecases.ask_models import Asker
from agent_svc.usecases.check_keys import KeyChecks
from agent_svc.usecases.fail_over import Failures
from agent_svc.usecases.probe_targets import Prober
from agent_svc.usecases.retire_models import Retirements
from chassis.catalogue import Catalogue
from chassis.census import census
from chassis.service import Parts, Service, Surroundings
from chassis.vault import Vault
from chassis.vault_watch import VaultWatch

SCOPES = http.SCOPES


def compose(surroundings: Surroundings) -> Parts:
    """Return the parts of agent-svc."""
    settings = cast(AgentSettings, surroundings.settings)
    database = surroundings.database
    vault, catalogue = Vault(settings.keyring()), Catalogue(settings.catalogue)
    provider, models = Provider(settings.provider_timeout), Models(settings.provider_timeout)
    recorder = Recorder(database)
    checks = KeyChecks(database, vault, catalogue, provider, lambda: datetime.now(UTC), settings.check_every)
    asker = Asker(database, catalogue, models)
    breaker = Breaker(settings.breaker_failures, settings.breaker_window)
    failures = Failures(database, catalogue, breaker, warming=settings.warming, pause=settings.probe_every)
    planner = Planner(database, vault, catalogue, settings.turn_hold)
    gateway = Gateway(planner, models, failures, limits_of(settings), recorder)
    prober = Prober(database, vault, catalogue, models, settings.probe_every, settings.probes)
    retirements = Retirements(database, vault, catalogue, models, lambda: datetime.now(UTC).date())
    return Parts(
        router=http.router(database, vault, catalogue, checks, asker),
        scopes=SCOPES,
        direct=[gateway.endpoint()],
        consumers=events.consumers(catalogue, surroundings.objects),
        workers=[
            *gateway_schedules.workers(database, prober, retirements, settings.probe_every),
            *schedules.workers(checks, settings),
            census(database, counts(catalogue)),
            VaultWatch(database, vault, surroundings.health).worker(),
        ],
        closing=[recorder.drain, asker.drain, failures.drain, models.close, provider.close],
    )


def limits_of(settings: AgentSettings) -> Limits:
    """Return the tenants' limits, those of their own filled up with the usual ones."""
    usual = Limit(settings.requests_per_minute, settings.requests_at_once)
    own = {
        tenant: Limit(
            usual.per_minute if limit.requests_per_minute is None else limit.requests_per_minute,
            usual.at_once if limit.requests_at_once is None else limit.requests_at_once,
        )
        for tenant, limit in settings.tenant_limits.items()
    }
    return Limits(usual, own)


def create_app(settings: AgentSettings) -> Service:
    """Return agent-svc, ready to run."""
    return Service(settings, compose)
