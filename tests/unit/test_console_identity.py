"""What the issuer's refusals mean for a session."""

from __future__ import annotations

from typing import Any

import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from console_svc.outbound.identity import Identity, IssuerUnavailableError, SignInRefusedError
from console_svc.settings import ConsoleSettings

ISSUER = "https://issuer.example"


@pytest.mark.parametrize(
    ("says", "means"),
    [
        ("temporarily_unavailable", IssuerUnavailableError),
        ("server_error", IssuerUnavailableError),
        ("invalid_grant", SignInRefusedError),
    ],
)
async def test_an_issuer_that_is_busy_ends_no_session(
    monkeypatch: pytest.MonkeyPatch, says: str, means: type[Exception]
) -> None:
    async def described(_: Identity, url: str) -> dict[str, Any]:
        return {"issuer": ISSUER, "token_endpoint": url}

    async def refused(*_: Any) -> None:
        raise OAuthError(says)

    monkeypatch.setattr(Identity, "_get", described)
    monkeypatch.setattr(AsyncOAuth2Client, "refresh_token", refused)
    settings = ConsoleSettings.model_construct(issuer=ISSUER, public_url="https://console.example")
    identity = Identity(settings)
    with pytest.raises(means):
        await identity.renew("r")
    await identity.close()
