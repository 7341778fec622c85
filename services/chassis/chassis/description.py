"""What the API descriptions of all services have in common: the token, and problem documents."""

from __future__ import annotations

from typing import Any

from fastapi.security import HTTPBearer

PROBLEM = "application/problem+json"

BEARER = HTTPBearer(
    bearerFormat="JWT",
    description="A token of the issuer, for this service: tenant and role come from it.",
    auto_error=False,
)
"""Only describes; tokens are checked by `chassis.http.authorize`."""

_DOCUMENT: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457; `detail` and `action` are in English or Russian by Accept-Language.",
    "type": "object",
    "required": ["type", "status", "code", "title", "detail"],
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable, for programs"},
        "title": {"type": "string"},
        "detail": {"type": "string", "description": "what is wrong, for a person"},
        "action": {"type": "string", "description": "what to do next"},
        "field": {"type": "string", "description": "the field at fault"},
    },
}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM: {"schema": _DOCUMENT}}}


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": _problem("Refused: what is wrong, where, and what to do next"),
    "5XX": _problem("Not served now; the same request may be sent again"),
}
