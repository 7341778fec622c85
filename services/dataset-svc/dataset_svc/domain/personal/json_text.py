"""The values in a JSON text and where they stand, so that one can be replaced and the rest kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import orjson

_PIECE = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")\s*:|(?P<value>"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*)|[{}\[\],]', re.DOTALL
)
_ESCAPE = re.compile(r"(?:\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|\\u....|\\.|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A string or a number of a JSON text: its path ("user/phones/0"), its field's name, and its place."""

    path: str
    key: str
    start: int
    end: int
    text: str = field(repr=False)
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


def leaves(text: str, wanted: Callable[[str, str], bool]) -> Iterator[Leaf]:
    """Yield the strings and numbers of a JSON text that is known to be valid.

    Only those of which `wanted` says so, told the field's name and the value as it is written: most values
    of a long answer are worth no closer look.
    """
    stack: list[str | int] = []  # the key or index that comes next
    names = [""]  # the last name that an object gave, by depth
    for match in _PIECE.finditer(text):
        if match.lastgroup == "value":
            if wanted(names[-1], match[0]):
                yield _leaf("/".join(map(str, stack)), names[-1], match)
        elif match.lastgroup == "key":
            stack[-1] = names[-1] = _unquoted(match["key"])
        elif match[0] in "{[":
            stack.append(0 if match[0] == "[" else "")
            names.append(names[-1])
        elif match[0] in "}]":
            stack.pop()
            names.pop()
        elif isinstance(stack[-1], int):
            stack[-1] += 1


def _leaf(path: str, key: str, match: re.Match[str]) -> Leaf:
    written = match[0]
    if written[0] == '"':
        return Leaf(path, key, match.start() + 1, match.end() - 1, _unquoted(written), is_number=False)
    return Leaf(path, key, match.start(), match.end(), written, is_number=True)


def _unquoted(written: str) -> str:
    return str(orjson.loads(written)) if "\\" in written else written[1:-1]


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
