"""Checks a report's signature, by the rules of Standard Webhooks, through the official client."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping

PREFIX = "whsec_"
SECRET_BYTES = (24, 64)


def is_secret(text: str) -> bool:
    """Tell whether a signing secret has the form that providers give: `whsec_` and base64."""
    if not text.startswith(PREFIX):
        return False
    try:
        decoded = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return SECRET_BYTES[0] <= len(decoded) <= SECRET_BYTES[1]


async def is_signed(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    """Tell whether the raw body was signed with the secret, less than five minutes ago."""
    return await asyncio.to_thread(_is_signed, body, headers, secret)


def _is_signed(body: bytes, headers: Mapping[str, str], secret: str) -> bool:
    # a large import: in a thread of its own, the first time
    from openai import InvalidWebhookSignatureError, OpenAI

    try:
        OpenAI(api_key="unused").webhooks.verify_signature(body, dict(headers), secret=secret)
    except (InvalidWebhookSignatureError, ValueError):
        return False
    return True
