"""Our checks for schemathesis, which loads this module by SCHEMATHESIS_HOOKS.

Its own `positive_data_acceptance` wants 2xx for all that the description allows. But a request may be well
formed and still meet a rule (an unknown provider, a stale cursor); such a refusal has a code of its own.
What must never happen is that the description allows what is then called malformed.
"""

from __future__ import annotations

from typing import Any

import schemathesis
from jsonschema import Draft202012Validator

MALFORMED = "invalid_input"
RULES = {"value_error"}
"""What our own validators say of fields that do not go together."""


@schemathesis.serializer("application/x-ndjson")
def lines(ctx: Any, value: Any) -> bytes:
    """A body of JSON Lines is sent as it was drawn: any text."""
    return str(value).encode(errors="replace")


@schemathesis.check
def what_is_described_is_well_formed(ctx: Any, response: Any, case: Any) -> None:
    """A case made by the description is not refused as malformed."""
    drawn_well = case.meta is not None and case.meta.generation.mode.is_positive
    if not drawn_well or response.status_code != 422 or response.json().get("code") != MALFORMED:
        return
    errors = response.json().get("errors", ())
    if all(error["code"] in RULES for error in errors):
        return
    if any(error["field"].endswith("[key]") for error in errors):
        return  # a description cannot tell what form the keys of an object have
    assert not _fits(case), f"the description allows what is refused: {response.text}"


def _fits(case: Any) -> bool:
    """Whether the body really fits: the generator rounds large integers, and puts 0 for what it can't do."""
    operation = case.operation.definition.raw
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return True
    document = case.operation.schema.raw_schema
    schema = {**content["schema"], "components": document.get("components", {})}
    return bool(Draft202012Validator(schema).is_valid(case.body))
