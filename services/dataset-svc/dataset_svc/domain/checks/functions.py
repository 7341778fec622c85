"""Calls against the functions that the agent has now. Their schemas come from strangers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import orjson
from jsonschema_rs import Draft202012Validator

from chassis.untrusted import (
    MAX_NODES,
    UnsafeSchemaError,
    check_schema,
    compile_schema,
    misses,
)
from dataset_svc.domain.checks.finding import Finding
from dataset_svc.domain.message import Call

LIKENESS = 0.5
MAX_WORK = 2_000_000
"""Largest schema (nodes) times arguments (characters) that is evaluated: a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Functions:
    """An agent's functions: name → its schema's validator (None when that may not be evaluated) and nodes."""

    of: Mapping[str, tuple[Draft202012Validator | None, int]]

    @staticmethod
    def of_tools(tools: Sequence[Mapping[str, Any]]) -> Functions:
        """Return the functions of an agent's tools."""
        return _parsed(orjson.dumps(tools).decode())

    @staticmethod
    def of_json(tools: str) -> Functions:
        """Return the functions of an agent's tools in JSON; the last few agents are remembered."""
        return _parsed(tools)

    def findings(
        self, message_id: str, field: str, call: Call, arguments: dict[str, Any] | None
    ) -> Iterator[Finding]:
        """Yield what keeps a call from being one that this agent can make."""
        if call.name not in self.of:
            closest = get_close_matches(call.name, self.of, 1, LIKENESS)
            facts = {"function": call.name, "closest": closest[0] if closest else None}
            yield Finding("function_unknown", message_id, f"{field}.function.name", facts=facts)
            return
        validator, nodes = self.of[call.name]
        if validator is None or arguments is None or nodes * len(call.arguments) > MAX_WORK:
            return
        if not validator.is_valid(arguments):
            places = [{"path": path, "rule": rule} for path, rule in misses(validator, arguments)]
            yield Finding("arguments_mismatch", message_id, f"{field}.function.arguments",
                          facts={"function": call.name, "misses": places})  # fmt: skip


@lru_cache(maxsize=64)
def _parsed(tools: str) -> Functions:
    functions = [tool.get("function") or {} for tool in orjson.loads(tools)]
    return Functions({str(one.get("name")): _usable(one.get("parameters")) for one in functions})


def _usable(schema: Any) -> tuple[Draft202012Validator | None, int]:
    """A schema that refers to itself is not evaluated: nothing bounds the work of that."""
    nodes, stack = 0, [schema]
    while stack and nodes <= MAX_NODES:
        value = stack.pop()
        nodes += 1
        if isinstance(value, dict):
            if "$ref" in value or "$dynamicRef" in value:
                return None, 0
            stack += value.values()
        elif isinstance(value, list):
            stack += value
    try:
        check_schema(schema)
        return compile_schema(schema), nodes
    except UnsafeSchemaError:
        return None, 0
