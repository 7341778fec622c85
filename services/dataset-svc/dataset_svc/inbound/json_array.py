"""A file that is one JSON array instead of JSON Lines is turned into lines while it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import ijson
import orjson

from chassis.errors import Problem, Text
from dataset_svc.usecases.read_stretch import MAX_LINE

BOM = b"\xef\xbb\xbf"
BLANKS, MOST_BLANKS = b" \t\r\n" + BOM, 65_536
PIECE = 65_536
"""Bytes that are parsed at once: by so much an element may be longer than a line before it is refused."""


async def as_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the file as lines: as it came, or one line for each element of the array that it is.

    A byte order mark at the beginning is left out. Raises a 422 Problem where an array is not JSON or an
    element is longer than a line may be; memory holds one element and one piece.
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
            yield convert.lines(first) if convert else held.removeprefix(BOM)
    if convert:
        yield convert.end()
    elif not begun:
        yield held.removeprefix(BOM)


class Elements:
    """The elements of an array, in the order in which they end."""

    def __init__(self) -> None:
        self._found: Any = ijson.sendable_list()
        self._parser = ijson.items_coro(self._found, "item", use_float=True)
        self._open = 0  # bytes since the piece in which an element ended last

    def lines(self, chunk: bytes) -> bytes:
        """Return the elements that end in this piece of the file, a line each."""
        try:
            return b"".join(self._piece(chunk[at : at + PIECE]) for at in range(0, len(chunk), PIECE))
        except (ijson.JSONError, orjson.JSONEncodeError, StopIteration):
            raise not_json() from None

    def _piece(self, piece: bytes) -> bytes:
        self._parser.send(piece)
        self._open = len(piece) if self._found else self._open + len(piece)
        if self._open > MAX_LINE + PIECE:
            raise element_too_long()
        return self._taken()

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


def element_too_long() -> Problem:
    """Return the refusal of an array with an element that no example could be."""
    return Problem(
        422,
        "element_too_long",
        Text(f"An element of the array has more than {MAX_LINE} bytes.",
             f"В элементе массива больше {MAX_LINE} байт."),
        action=Text("Leave it out or make it shorter.", "Уберите или сократите его."),
    )  # fmt: skip


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
