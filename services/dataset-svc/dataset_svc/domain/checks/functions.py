"""Calls against the functions that the agent has now. Their schemas come from strangers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import orjson

from chassis.untrusted import UnsafeSchemaError, check_schema, schema_errors
from dataset_svc.domain.checks.finding import Finding
from dataset_svc.domain.message import Call

MAX_WORK = 2_000_000
"""Largest schema (nodes) times arguments (characters) that is evaluated: about a second."""
_UNBOUNDED = frozenset({"$ref", "$dynamicRef", "uniqueItems", "patternProperties", "unevaluatedProperties"})
"""Keywords whose work that product does not bound; such a schema is not held against arguments."""


@dataclass(frozen=True, slots=True)
class Functions:
    """An agent's functions: name → (schema that may be evaluated or None, its nodes)."""

    of: Mapping[str, tuple[dict[str, Any] | None, int]]

    @staticmethod
    def of_tools(tools: Sequence[Mapping[str, Any]]) -> Functions:
        """Return the functions of an agent's tools; the last few agents are remembered."""
        return _parsed(orjson.dumps(tools))

    def findings(
        self, message_id: str, field: str, call: Call, arguments: dict[str, Any] | None
    ) -> Iterator[Finding]:
        """Yield what keeps a call from being one that this agent can make."""
        if call.name not in self.of:
            closest = get_close_matches(call.name, self.of, 1)
            facts = {"function": call.name, "closest": closest[0] if closest else None}
            yield Finding("function_unknown", message_id, f"{field}.function.name", facts=facts)
            return
        schema, nodes = self.of[call.name]
        if schema is None or arguments is None or nodes * len(call.arguments) > MAX_WORK:
            return
        misses = _misses(schema, arguments)
        if misses:
            facts = {"function": call.name, "misses": misses}
            yield Finding("arguments_mismatch", message_id, f"{field}.function.arguments", facts=facts)


def _misses(schema: dict[str, Any], arguments: dict[str, Any]) -> list[dict[str, str]]:
    try:
        return [{"path": path, "rule": rule} for path, rule in schema_errors(schema, arguments)]
    except RecursionError:
        return []


@lru_cache(maxsize=64)
def _parsed(tools: bytes) -> Functions:
    functions = [tool.get("function") or {} for tool in orjson.loads(tools)]
    return Functions({str(one.get("name")): _usable(one.get("parameters")) for one in functions})


def _usable(schema: Any) -> tuple[dict[str, Any] | None, int]:
    if not isinstance(schema, dict):
        return None, 0
    try:
        check_schema(schema)
    except (UnsafeSchemaError, RecursionError):
        return None, 0
    nodes, stack = 0, [schema]
    while stack:
        value = stack.pop()
        nodes += 1
        if isinstance(value, dict):
            if not _UNBOUNDED.isdisjoint(value):
                return None, 0
            stack += value.values()
        elif isinstance(value, list):
            stack += value
    return schema, nodes
