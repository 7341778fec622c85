"""The values in a JSON text and where they stand, so that one can be replaced and the rest kept."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import orjson

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_ESCAPE = re.compile(r"(?:\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u....|\\.|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A string or a number of a JSON text: its path ("user/phones/0"), its field's name, and its place."""

    path: str
    key: str
    start: int
    end: int
    text: str
    is_number: bool


def is_structured(text: str) -> bool:
    """Whether the text is a JSON object or array."""
    if text[:64].lstrip()[:1] not in {"{", "["}:
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def leaves(text: str) -> Iterator[Leaf]:
    """Yield the strings and numbers of a JSON text that is known to be valid."""
    stack: list[tuple[str, str | int]] = []  # (bracket, the key or index that comes next)
    names: list[str] = []  # the last name that an object gave, by depth
    wants_key = False
    for match in _TOKEN.finditer(text):
        piece = match[0]
        if piece in "{[":
            stack.append((piece, 0 if piece == "[" else ""))
            names.append(names[-1] if names else "")
            wants_key = piece == "{"
        elif piece in "}]":
            stack.pop()
            names.pop()
        elif piece == ",":
            bracket, place = stack[-1]
            wants_key = bracket == "{"
            if isinstance(place, int):
                stack[-1] = (bracket, place + 1)
        elif piece == ":":
            wants_key = False
        elif wants_key:
            stack[-1] = ("{", str(orjson.loads(piece)))
            names[-1] = str(stack[-1][1])
        elif piece[0] == '"' or piece[0] in "-0123456789":
            path = "/".join(str(place) for _, place in stack)
            yield _leaf(path, names[-1] if names else "", match)


def _leaf(path: str, key: str, match: re.Match[str]) -> Leaf:
    piece = match[0]
    if piece[0] == '"':
        return Leaf(path, key, match.start() + 1, match.end() - 1, str(orjson.loads(piece)), is_number=False)
    return Leaf(path, key, match.start(), match.end(), piece, is_number=True)


def place_in(text: str, leaf: Leaf, start: int, end: int) -> tuple[int, int]:
    """Return where a stretch of a leaf's text stands in the JSON text, which may hold escapes."""
    raw = text[leaf.start : leaf.end]
    if "\\" not in raw:
        return leaf.start + start, leaf.start + end
    places = [0, *accumulate(len(one[0]) for one in _ESCAPE.finditer(raw))]
    return leaf.start + places[start], leaf.start + places[end]


def as_string(text: str) -> str:
    """Return a text as it stands inside the quotes of a JSON string."""
    return orjson.dumps(text).decode()[1:-1]
