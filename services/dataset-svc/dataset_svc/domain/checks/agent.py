"""The checks of what stands in every line: the agent's prompt and functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dataset_svc.domain.checks.example import NAME, SPECIAL


def agent_errors(prompt: str, tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what a provider would refuse in every line, each with its code and field."""
    found = []
    if SPECIAL.search(prompt):
        found.append({"code": "special_token", "field": "agent.prompt"})
    names = [str((tool.get("function") or {}).get("name")) for tool in tools]
    for number, (tool, name) in enumerate(zip(tools, names, strict=True)):
        field = f"agent.tools.{number}.function"
        if not NAME.match(name) or name in names[:number]:
            found.append({"code": "function_name_invalid", "field": f"{field}.name"})
        if SPECIAL.search(orjson.dumps(tool).decode()):
            found.append({"code": "special_token", "field": field})
    return found
