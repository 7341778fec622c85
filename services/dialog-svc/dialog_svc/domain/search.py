"""What a dialog says, and what somebody looks for, as words and numbers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

WORD = re.compile(r"[^\W_]+")
GROUPED = re.compile(r"\d(?:[\s().+-]{0,3}\d)+")
NUMBER_DIGITS = 5  # from so many digits on, digits in groups are also one number: a phone, an order
MAX_WORD_BYTES = 60
MAX_WORDS = 8_000  # of a dialog; so a document stays below what tsvector holds, 1 MiB
MAX_TERMS = 16
MIN_PREFIX = 3
MIN_PART = 3  # of a number: what is shorter is looked for only where a number begins
ALIKE = 0.7


@dataclass(frozen=True, slots=True)
class Stem:
    """A word that is looked for: its stem, whether any document has it, and documents' stems like it."""

    text: str
    known: bool
    alike: Sequence[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody typed into the search field; a dialog must have all of it."""

    words: tuple[str, ...]
    numbers: tuple[str, ...]


def plain(text: str) -> str:
    """Return the text as it is compared: composed, in lower case, ё as е."""
    return unicodedata.normalize("NFC", text).casefold().replace("ё", "е")


def texts_of(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield what can be found of a message: its text, and the arguments of its function calls."""
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif content:
        yield from (part["text"] for part in content if part.get("text"))
    for call in message.get("tool_calls") or ():
        yield call["function"]["arguments"]


def words_of(texts: Iterable[str]) -> list[str]:
    """Return the words and numbers of a dialog's messages, each once, at most `MAX_WORDS`."""
    found: dict[str, None] = {}
    for text in map(plain, texts):
        found |= dict.fromkeys(WORD.findall(text))
        found |= dict.fromkeys(filter(None, map(_number, GROUPED.findall(text))))
        if len(found) > MAX_WORDS:
            break
    return [word for word in found if len(word.encode()) <= MAX_WORD_BYTES][:MAX_WORDS]


def wanted(asked: str) -> Wanted:
    """Return the words and numbers that are looked for; digits in groups are one number.

    Nothing when one of them is so long that no document has it.
    """
    numbers: list[str] = []

    def take_number(match: re.Match[str]) -> str:
        number = _number(match.group())
        if number is None:
            return match.group()
        numbers.append(number)
        return " "

    tokens = WORD.findall(GROUPED.sub(take_number, plain(asked)))
    if any(len(token.encode()) > MAX_WORD_BYTES for token in [*tokens, *numbers]):
        return Wanted((), ())
    words = [token for token in tokens if not _has_digit(token)]
    numbers += [token for token in tokens if _has_digit(token)]
    return Wanted(tuple(dict.fromkeys(words))[:MAX_TERMS], tuple(dict.fromkeys(numbers))[:MAX_TERMS])


def to_query(stems: Iterable[Stem], numbers: Mapping[str, Sequence[str]]) -> str | None:
    """Return the text of a tsquery, or None when nothing is left to look for.

    An unknown word may be the beginning of one, or mistyped; so may be what has a digit, and `numbers`
    gives the known words that contain it further on.
    """
    terms = [_any_of(_forms(stem)) for stem in stems]
    terms += [_any_of([f"{_quoted(part)}:*", *map(_quoted, known)]) for part, known in numbers.items()]
    return " & ".join(terms) or None


def _forms(stem: Stem) -> list[str]:
    exact = _quoted(stem.text)
    if stem.known:
        return [exact]
    beginning = [f"{exact}:*"] if len(stem.text) >= MIN_PREFIX else [exact]
    return beginning + [_quoted(one) for one in get_close_matches(stem.text, stem.alike, 5, ALIKE)]


def _number(stretch: str) -> str | None:
    """Return the digits of a stretch, None when it is in one group anyway or too short for a number."""
    digits = re.sub(r"\D", "", stretch)
    return digits if digits != stretch and len(digits) >= NUMBER_DIGITS else None


def _has_digit(token: str) -> bool:
    return any(character.isdigit() for character in token)


def _quoted(lexeme: str) -> str:
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _any_of(forms: Sequence[str]) -> str:
    return f"({' | '.join(dict.fromkeys(forms))})"
