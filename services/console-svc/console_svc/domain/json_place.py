"""Where in a JSON text something is, so that a mistake can be shown at its line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def steps(place: str) -> list[str]:
    """Return the steps of a place as services name it, `tools.0.function.parameters/properties/x`."""
    return [step for step in re.split(r"[./]", place) if step]


def line_of(text: str, path: Sequence[str]) -> int:
    """Return the line, from 1, at which the value at `path` begins in a valid JSON text.

    Where the path leads nowhere, that of the innermost value on the way.
    """
    return text.count("\n", 0, _find(text, _skip(text, 0), path)) + 1


def _find(text: str, at: int, path: Sequence[str]) -> int:
    if not path or text[at : at + 1] not in ("{", "["):
        return at
    place, number, is_object = _skip(text, at + 1), 0, text[at] == "{"
    while text[place] not in "}]":
        name = str(number)
        if is_object:
            name, place = _DECODER.raw_decode(text, place)
            place = _skip(text, _skip(text, place) + 1)
        if name == path[0]:
            return _find(text, place, path[1:])
        _, place = _DECODER.raw_decode(text, place)
        place = _skip(text, place)
        if text[place] == ",":
            place = _skip(text, place + 1)
        number += 1
    return at


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


_OUTSIDE = re.compile(r'("(?:[^"\\]|\\.)*")|[ \t\r\n]+')


def unspaced(text: str) -> str:
    """Return a JSON text without the blanks between its values, as models write it."""
    return _OUTSIDE.sub(lambda found: found[1] or "", text)
