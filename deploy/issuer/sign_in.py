"""OpenID Connect for the console: a page to choose a person on, codes with PKCE, refresh tokens that rotate.

Authorization code flow only (RFC 6749 section 4.1 with RFC 7636). There are no passwords: it runs on
127.0.0.1 for development, as the rest of the issuer.
"""

import base64
import hashlib
import html
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from deploy.issuer.people import PEOPLE, ROLES, Person

CODE_LIVES_S = 60
REFRESH_LIVES_S = 30 * 24 * 3600
ACCESS_LIVES_S = 300

Sign = Callable[[Mapping[str, Any]], str]


class RefusedError(Exception):
    """A request that OAuth names an error for: `error` is its code."""

    def __init__(self, error: str, why: str) -> None:
        super().__init__(why)
        self.error = error


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asked for on `/authorize`."""

    client_id: str
    redirect_uri: str
    state: str
    nonce: str
    challenge: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Asked":
        """Read it; raises RefusedError when the request is not one that this issuer takes."""
        redirect = query.get("redirect_uri", "")
        where = urlsplit(redirect)
        if where.scheme != "http" or where.hostname not in {"127.0.0.1", "localhost"} or where.fragment:
            raise RefusedError("invalid_request", "`redirect_uri` must be on http://127.0.0.1")
        if query.get("response_type") != "code" or "openid" not in query.get("scope", "").split():
            raise RefusedError("invalid_request", "`response_type` must be code, `scope` must name openid")
        if not query.get("code_challenge") or query.get("code_challenge_method") != "S256":
            raise RefusedError("invalid_request", "PKCE with S256 is required")
        if not query.get("client_id"):
            raise RefusedError("invalid_request", "`client_id` is required")
        return cls(
            query["client_id"],
            redirect,
            query.get("state", ""),
            query.get("nonce", ""),
            query["code_challenge"],
        )

    def back(self, **answer: str) -> str:
        """Return the address to send the browser back to."""
        given = {name: value for name, value in {**answer, "state": self.state}.items() if value}
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{urlencode(given)}"


@dataclass(slots=True)
class SignIns:
    """Codes and refresh tokens that were given out; kept in memory, so a restart asks to sign in again."""

    issuer: str
    audience: tuple[str, ...]
    sign: Sign
    access_lives: float = ACCESS_LIVES_S
    clock: Callable[[], float] = time.time
    codes: dict[str, tuple[Asked, Person, float]] = field(default_factory=dict)
    refreshes: dict[str, tuple[Person, str, float]] = field(default_factory=dict)

    def give_code(self, asked: Asked, person: Person | None) -> str:
        """Return a code for a person, good once and for a minute; raises RefusedError for a stranger."""
        if person is None:
            raise RefusedError("access_denied", "nobody of this name is known here")
        code = secrets.token_urlsafe(24)
        self.codes[code] = (asked, person, self.clock() + CODE_LIVES_S)
        return code

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer a request to `/token` in form encoding; raises RefusedError."""
        if form.get("grant_type") == "authorization_code":
            return self._by_code(form)
        if form.get("grant_type") == "refresh_token":
            return self._by_refresh(form)
        raise RefusedError("unsupported_grant_type", "authorization_code and refresh_token are taken")

    def _by_code(self, form: Mapping[str, str]) -> dict[str, Any]:
        asked, person, until = self.codes.pop(form.get("code", ""), (None, None, 0.0))
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if asked is None or person is None or until < self.clock():
            raise RefusedError("invalid_grant", "the code is unknown, used or old")
        if (asked.client_id, asked.redirect_uri) != (form.get("client_id"), form.get("redirect_uri")):
            raise RefusedError("invalid_grant", "the code was given to somebody else")
        if not secrets.compare_digest(challenge, asked.challenge):
            raise RefusedError("invalid_grant", "`code_verifier` does not fit")
        return self._tokens(person, asked.client_id, asked.nonce)

    def _by_refresh(self, form: Mapping[str, str]) -> dict[str, Any]:
        person, client_id, until = self.refreshes.pop(form.get("refresh_token", ""), (None, "", 0.0))
        if person is None or until < self.clock() or client_id != form.get("client_id"):
            raise RefusedError("invalid_grant", "the refresh token is unknown, used or old")
        return self._tokens(person, client_id, "")

    def _tokens(self, person: Person, client_id: str, nonce: str) -> dict[str, Any]:
        now = int(self.clock())
        common = {
            "iss": self.issuer, "sub": person.sub, "tenant": person.tenant, "role": person.role,
            "name": person.name, "iat": now, "exp": now + int(self.access_lives),
        }  # fmt: skip
        refresh = secrets.token_urlsafe(32)
        self.refreshes[refresh] = (person, client_id, self.clock() + REFRESH_LIVES_S)
        return {
            "token_type": "Bearer",
            "expires_in": int(self.access_lives),
            "access_token": self.sign({**common, "aud": list(self.audience), "jti": secrets.token_hex(16)}),
            "id_token": self.sign({**common, "aud": client_id, **({"nonce": nonce} if nonce else {})}),
            "refresh_token": refresh,
        }


STYLE = (
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
    "body{max-width:34rem;margin:8vh auto;padding:0 1rem}"
    "fieldset{border:1px solid #8886;border-radius:8px;margin:1rem 0;padding:.6rem 1rem 1rem}"
    "legend{font-weight:600;padding:0 .4rem}"
    "button,input,select{font:inherit;padding:.35rem .8rem;margin:.25rem .25rem .25rem 0}"
)


def chooser(query: str) -> str:
    """Return the page on which to choose a person; `query` comes back with the choice."""
    tenants: dict[str, list[Person]] = {}
    for person in PEOPLE.values():
        tenants.setdefault(person.tenant, []).append(person)
    action = f"/authorize?{html.escape(query)}"
    blocks = "".join(
        f"<fieldset><legend>{html.escape(tenant)}</legend>"
        + "".join(
            f'<button name="sub" value="{html.escape(one.sub)}">{html.escape(one.name)}, {one.role}</button> '
            for one in people
        )
        + "</fieldset>"
        for tenant, people in tenants.items()
    )
    roles = "".join(f"<option>{role}</option>" for role in ROLES)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Development sign-in</title>'
        f"<style>{STYLE}</style>"
        "<h1>Who are you?</h1><p>This issuer is for development: it asks for no password.</p>"
        f'<form method="post" action="{action}">{blocks}</form>'
        f'<form method="post" action="{action}"><fieldset><legend>another tenant</legend>'
        '<input name="tenant" aria-label="Tenant" placeholder="tenant" required maxlength="128"> '
        f'<select name="role" aria-label="Role">{roles}</select> <button>Go on</button>'
        "</fieldset></form></html>"
    )
