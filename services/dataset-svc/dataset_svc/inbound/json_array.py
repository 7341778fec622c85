"""A file that is one JSON array instead of JSON Lines is turned into lines while it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import ijson
import orjson

from chassis.errors import Problem, Text

BLANKS, MOST_BLANKS = b" \t\r\n\xef\xbb\xbf", 65_536


async def as_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the file as lines: as it came, or one line for each element of the array that it is.

    Raises a 422 Problem where an array is not JSON; memory holds one element and one piece.
    """
    convert: Elements | None = None
    begun, held = False, b""
    async for chunk in chunks:
        if begun:
            yield convert.lines(chunk) if convert else chunk
            continue
        held += chunk
        first = held.lstrip(BLANKS)
        if begun := bool(first) or len(held) > MOST_BLANKS:
            convert = Elements() if first.startswith(b"[") else None
            yield convert.lines(first) if convert else held
    if convert:
        yield convert.end()
    elif not begun:
        yield held


class Elements:
    """The elements of an array, in the order in which they end."""

    def __init__(self) -> None:
        self._found: Any = ijson.sendable_list()
        self._parser = ijson.items_coro(self._found, "item", use_float=True)

    def lines(self, chunk: bytes) -> bytes:
        """Return the elements that end in this piece of the file, a line each."""
        try:
            self._parser.send(chunk)
            return self._taken()
        except (ijson.JSONError, orjson.JSONEncodeError, StopIteration):
            raise not_json() from None

    def end(self) -> bytes:
        """Return the elements that the end of the file completes."""
        try:
            self._parser.close()
            return self._taken()
        except (ijson.JSONError, orjson.JSONEncodeError):
            raise not_json() from None

    def _taken(self) -> bytes:
        written = b"".join(orjson.dumps(one) + b"\n" for one in self._found)
        del self._found[:]
        return written


def not_json() -> Problem:
    """Return the refusal of an array in which nothing after the mistake can be read."""
    return Problem(
        422,
        "not_json",
        Text("The file is not a JSON array.", "Файл — не массив JSON."),
        action=Text(
            "Correct it, or send one JSON object a line.", "Исправьте его или пришлите по объекту в строке."
        ),
    )
