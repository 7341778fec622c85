"""Text that others wrote, safe to look at: what is unseen is shown, what turns text round is not obeyed."""

from __future__ import annotations

import re
import unicodedata

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""No glyph of their own, or an effect on their neighbours. Joiners (U+200C, U+200D) stay: scripts and emoji
need them, and they turn nothing round."""


def pieces(text: str) -> list[tuple[str, str]]:
    """Return (what is to be shown, "" or the name of a character that has no look of its own), in order."""
    found: list[tuple[str, str]] = []
    at = 0
    for match in _UNSEEN.finditer(text):
        if match.start() > at:
            found.append((text[at : match.start()], ""))
        found.append((f"U+{ord(match[0]):04X}", unicodedata.name(match[0], "control character").lower()))
        at = match.end()
    if at < len(text):
        found.append((text[at:], ""))
    return found
