"""What comes in by HTTP: the endpoints of agents, keys, routes and the gateway, under one table of scopes."""

from __future__ import annotations

from fastapi import APIRouter

from agent_svc.inbound import gateway, http_agents, http_keys, http_routes, http_versions
from agent_svc.outbound.chat import Models
from agent_svc.usecases.check_keys import KeyChecks
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import add_audit
from chassis.vault import Vault

SCOPES = (
    gateway.SCOPES
    | http_agents.SCOPES
    | http_versions.SCOPES
    | http_keys.SCOPES
    | http_routes.SCOPES
    | {"GET /v1/audit": "dialogs:read"}
)


def router(
    database: Database,
    vault: Vault,
    catalogue: Catalogue,
    checks: KeyChecks,
    models: Models,
    recorder: gateway.Recorder,
) -> APIRouter:
    """Return the endpoints of agent-svc."""
    routes = APIRouter()
    gateway.add_gateway(routes, database, vault, catalogue, models, recorder)
    http_agents.add_endpoints(routes, database, catalogue)
    http_versions.add_endpoints(routes, database)
    http_keys.add_endpoints(routes, database, vault, catalogue, checks)
    http_routes.add_endpoints(routes, database)
    add_audit(routes, database)
    return routes
