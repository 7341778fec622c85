"""What comes in by HTTP: the endpoints of agents, keys, routes and the gateway, under one table of scopes."""

from __future__ import annotations

from fastapi import APIRouter

from agent_svc.inbound import (
    gateway,
    http_agents,
    http_keys,
    http_models,
    http_routes,
    http_test_chats,
    http_test_messages,
    http_versions,
)
from agent_svc.usecases.ask_models import Asker
from agent_svc.usecases.change_test_chat import Desk
from agent_svc.usecases.check_keys import KeyChecks
from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import add_audit
from chassis.routes import api_router
from chassis.vault import Vault

SCOPES = (
    gateway.SCOPES
    | http_agents.SCOPES
    | http_versions.SCOPES
    | http_keys.SCOPES
    | http_models.SCOPES
    | http_routes.SCOPES
    | http_test_chats.SCOPES
    | http_test_messages.SCOPES
    | {"GET /v1/audit": "dialogs:read"}
)


def router(
    database: Database,
    vault: Vault,
    catalogue: Catalogue,
    checks: KeyChecks,
    asker: Asker,
) -> APIRouter:
    """Return the endpoints of agent-svc."""
    routes = api_router()
    gateway.add_gateway(routes)
    http_agents.add_endpoints(routes, database, catalogue)
    http_versions.add_endpoints(routes, database)
    http_keys.add_endpoints(routes, database, vault, catalogue, checks)
    http_models.add_endpoints(routes, database)
    http_routes.add_endpoints(routes, database)
    desk = Desk(vault, catalogue)
    http_test_chats.add_endpoints(routes, database, desk)
    http_test_messages.add_endpoints(routes, database, desk, asker)
    add_audit(routes, database)
    return routes
