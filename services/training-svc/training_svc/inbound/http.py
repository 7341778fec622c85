"""What comes in by HTTP, and who may ask for it."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter

from chassis.catalogue import Catalogue
from chassis.database import Database
from chassis.http import add_audit
from chassis.objects import ObjectStore
from chassis.routes import api_router
from chassis.vault import Vault
from training_svc.inbound import http_catalogue, http_models, http_runs, http_webhooks

SCOPES = http_webhooks.SCOPES | {
    "GET /v1/base-models": "dialogs:read",
    "POST /v1/estimates": "dialogs:read",
    "GET /v1/runs": "dialogs:read",
    "GET /v1/runs/{run_id}": "dialogs:read",
    "GET /v1/runs/{run_id}/events": "dialogs:read",
    "GET /v1/runs/{run_id}/metrics": "dialogs:read",
    "GET /v1/runs/{run_id}/file": "dialogs:read",
    "POST /v1/runs/{run_id}/refresh": "dialogs:read",
    "POST /v1/runs/{run_id}/cancel": "train",
    "POST /v1/runs/{run_id}/pause": "train",
    "POST /v1/runs/{run_id}/resume": "train",
    "GET /v1/models": "dialogs:read",
    "POST /v1/models": "train",
    "GET /v1/models/compare": "dialogs:read",
    "GET /v1/models/{model_id}": "dialogs:read",
    "POST /v1/models/{model_id}/activate": "activate",
    "POST /v1/agents/{agent_id}/activate-base": "activate",
    "GET /v1/audit": "dialogs:read",
}


def router(
    database: Database,
    catalogue: Catalogue,
    objects: ObjectStore,
    vault: Vault,
    *,
    refresh_gap: float,
    wake: Callable[[], None],
) -> APIRouter:
    """Return the endpoints of training-svc."""
    routes = api_router()
    http_catalogue.add_endpoints(routes, database, catalogue)
    http_runs.add_endpoints(routes, database, catalogue, objects, refresh_gap=refresh_gap, wake=wake)
    http_models.add_endpoints(routes, database, catalogue)
    http_webhooks.add_webhooks(routes, database, catalogue, vault, wake)
    add_audit(routes, database)
    return routes
