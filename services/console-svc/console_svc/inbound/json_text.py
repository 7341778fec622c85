"""JSON that somebody typed: what is wrong with it, at its line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from console_svc.domain.json_place import line_of
from console_svc.inbound.page import say


@dataclass(eq=False)
class Mistake(Exception):  # noqa: N818 -- the reader's, not ours
    """What is wrong with what was typed, and in which line."""

    line: int
    detail: str


def read_json(request: Request, text: str, kind: type, wanted: str) -> Any:
    """Return the value of a JSON text; raises Mistake, with `wanted` where it is not of that kind."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        where = {"line": error.lineno, "column": error.colno}
        detail = say(request, "This is no JSON: see line %(line)s, column %(column)s.", **where)
        raise Mistake(error.lineno, detail) from None
    except RecursionError:
        raise Mistake(1, say(request, "This JSON goes too deep.")) from None
    if not isinstance(found, kind):
        raise Mistake(1, wanted)
    return found


def line_at(text: str, path: Sequence[str]) -> int:
    """Return the line of a place in a typed text, the first where the text is no JSON."""
    try:
        return line_of(text, path)
    except (ValueError, IndexError, RecursionError):
        return 1
