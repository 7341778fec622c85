"""One fingerprint for prompt and tools, so that every service sees the same change."""

import json
from collections.abc import Sequence
from hashlib import sha256

from contracts.agents import Tool
from contracts.event import JsonObject


def prompt_fingerprint(prompt: str, tools: Sequence[Tool | JsonObject]) -> str:
    """The sha256 (hex) of the prompt and the tools as JSON with sorted keys and no spaces."""
    plain = [Tool.model_validate(tool).model_dump() for tool in tools]
    canonical = json.dumps(
        {"prompt": prompt, "tools": plain}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return sha256(canonical.encode()).hexdigest()
