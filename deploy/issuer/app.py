"""HTTP of the issuer: `POST /token`, signing in, the key set and the discovery document."""

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from deploy.issuer.people import ROLES, person_of
from deploy.issuer.sign_in import Asked, RefusedError, SignIns, chooser

AUDIENCE = ("dialog-svc", "dataset-svc", "training-svc", "agent-svc", "console-svc")
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

    def sign(content: Mapping[str, Any]) -> str:
        return jwt.encode({"alg": "EdDSA", "kid": key.kid}, dict(content), key, algorithms=["EdDSA"])

    sign_ins = SignIns(issuer, AUDIENCE, sign)

    async def authorize(request: Request) -> Response:
        try:
            asked = Asked.of(request.query_params)
        except RefusedError as error:
            return PlainTextResponse(str(error), 400)  # never sent on to an address that is not trusted
        if request.method == "GET":
            return HTMLResponse(chooser(request.url.query))
        try:
            form = {name: str(value) for name, value in (await request.form()).items()}
            code = sign_ins.give_code(asked, person_of(form))
        except RefusedError as error:
            return RedirectResponse(asked.back(error=error.error), 303)
        return RedirectResponse(asked.back(code=code), 303)

    async def token(request: Request) -> JSONResponse:
        await request.body()  # read once: `curl -d` calls JSON a form, too
        form = {name: str(value) for name, value in (await request.form()).items()}
        if "grant_type" in form:
            try:
                return JSONResponse(sign_ins.token(form), headers={"Cache-Control": "no-store"})
            except RefusedError as error:
                refusal = {"error": error.error, "error_description": str(error)}
                return JSONResponse(refusal, status_code=400)
        try:
            content = claims(json.loads(await request.body()), issuer, int(time.time()))
        except (ValueError, BadRequestError) as error:
            reason = str(error) if isinstance(error, BadRequestError) else "the body must be JSON"
            return JSONResponse({"error": "invalid_request", "error_description": reason}, status_code=400)
        return JSONResponse(
            {
                "access_token": sign(content),
                "token_type": "Bearer",
                "expires_in": content["exp"] - content["iat"],
            }
        )

    async def key_set(_: Request) -> JSONResponse:
        return JSONResponse(KeySet([key]).as_dict(private=False))

    async def discovery(_: Request) -> JSONResponse:
        return JSONResponse(
            {
                "issuer": issuer,
                "jwks_uri": f"{issuer}/.well-known/jwks.json",
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["EdDSA"],
            }
        )

    return Starlette(
        routes=[
            Route("/authorize", authorize, methods=["GET", "POST"]),
            Route("/token", token, methods=["POST"]),
            Route("/.well-known/jwks.json", key_set),
            Route("/.well-known/openid-configuration", discovery),
        ]
    )
