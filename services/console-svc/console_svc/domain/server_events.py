"""Server-sent events: read from a stream that is cut anywhere, and written."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LINE = re.compile(r"\r\n|\r|\n")


class Events:
    """Puts the pieces of a stream together again."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[tuple[str, str]]:
        """Yield (name, data) of each event that is whole by now."""
        *whole, self._rest = (self._rest + chunk).split(b"\n\n")
        for block in whole:
            name, data = "", []
            for line in block.decode(errors="replace").split("\n"):
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
            yield name, "\n".join(data)


def written(data: str, name: str = "") -> bytes:
    """Return an event; without a name it is one that the page shows."""
    head = f"event: {name}\n" if name else ""
    return (head + "".join(f"data: {line}\n" for line in _LINE.split(data)) + "\n").encode()
