"""The two languages of the pages: chosen by a switch, else by the browser."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "ru"]
COOKIE = "language"


def preferred(cookie: str, accept: str) -> Language:
    """Return the language: the cookie's, else the first of the header's that there is, else English.

    `accept` is an Accept-Language header; its weights count, order settles ties.
    """
    if cookie in ("en", "ru"):
        return "ru" if cookie == "ru" else "en"
    weighed: list[tuple[float, int, Language]] = []
    for place, part in enumerate(accept.lower().split(",")[:20]):
        tag, _, rest = part.strip().partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=")) if rest else 1.0
        except ValueError:
            continue
        name = tag.split("-")[0].strip()
        if weight > 0 and name in ("en", "ru"):
            weighed.append((-weight, place, "ru" if name == "ru" else "en"))
    return min(weighed)[2] if weighed else "en"
