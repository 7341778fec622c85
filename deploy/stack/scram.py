"""PostgreSQL's form of a password that is not the password: what it would store itself."""

import hashlib
import hmac
import secrets
from base64 import b64encode

ITERATIONS = 4096


def verifier(password: str) -> str:
    """Return what ALTER ROLE takes instead of a password, so that none is in the server's log or statistics.

    Beyond ASCII the password itself: how it is normalised is the server's business (RFC 4013).
    """
    if not password.isascii():
        return password
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    stored = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    parts = (_text(salt), _text(stored), _text(_mac(salted, b"Server Key")))
    return "SCRAM-SHA-256${}:{}${}:{}".format(ITERATIONS, *parts)


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return b64encode(data).decode()
