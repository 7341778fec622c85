"""HTTP of the issuer: `POST /token`, the key set and the discovery document."""

import json
import time
import uuid
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

AUDIENCE = ("dialog-svc", "dataset-svc", "training-svc", "agent-svc", "console-svc")
ROLES = ("viewer", "editor", "owner", "operator")
LIFETIME_S = 12 * 3600
TEXTS = ("tenant", "role", "sub")


class BadRequestError(Exception):
    """The request for a token can't be met; the text says why."""


def claims(body: object, issuer: str, now: int) -> dict[str, Any]:
    """Return the claims for {tenant, role | scopes, sub?, aud?, expires_in?}; raises BadRequestError."""
    if not isinstance(body, dict) or not body.get("tenant"):
        raise BadRequestError("`tenant` is required")
    if wrong := [name for name in TEXTS if not isinstance(body.get(name, ""), str)]:
        raise BadRequestError(f"`{wrong[0]}` must be text")
    if "scopes" not in body and body.get("role") not in ROLES:
        raise BadRequestError(f"`role` must be one of {', '.join(ROLES)}, or `scopes` a list")
    lifetime = body.get("expires_in", LIFETIME_S)
    if not isinstance(lifetime, int):
        raise BadRequestError("`expires_in` must be a number of seconds")
    chosen = {name: body[name] for name in ("role", "scopes", "act_as") if name in body}
    return {
        "iss": issuer,
        "aud": body.get("aud", list(AUDIENCE)),
        "sub": body.get("sub") or f"dev-{body.get('role', 'user')}",
        "tenant": body["tenant"],
        **chosen,
        "iat": now,
        "exp": now + lifetime,
        "jti": str(uuid.uuid4()),
    }


def create_app(key: OKPKey, issuer: str) -> Starlette:
    """Return the application that signs with this key under this issuer's name."""

    async def token(request: Request) -> JSONResponse:
        try:
            content = claims(json.loads(await request.body()), issuer, int(time.time()))
        except (ValueError, BadRequestError) as error:
            reason = str(error) if isinstance(error, BadRequestError) else "the body must be JSON"
            return JSONResponse({"error": "invalid_request", "error_description": reason}, status_code=400)
        signed = jwt.encode({"alg": "EdDSA", "kid": key.kid}, content, key, algorithms=["EdDSA"])
        return JSONResponse(
            {"access_token": signed, "token_type": "Bearer", "expires_in": content["exp"] - content["iat"]}
        )

    async def key_set(_: Request) -> JSONResponse:
        return JSONResponse(KeySet([key]).as_dict(private=False))

    async def discovery(_: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": issuer,
                "jwks_uri": f"{issuer}/.well-known/jwks.json",
                "token_endpoint": f"{issuer}/token",
                "id_token_signing_alg_values_supported": ["EdDSA"],
            }
        )

    return Starlette(
        routes=[
            Route("/token", token, methods=["POST"]),
            Route("/.well-known/jwks.json", key_set),
            Route("/.well-known/openid-configuration", discovery),
        ]
    )
