"""People's names, where the extra `names` is installed: Russian ones by a dictionary of word forms.

Without pymorphy3 no name is found. Latin names are only found where a word introduces them: no list of
names knows that Will or Grace is one.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from dataset_svc.domain.personal.context import words_of_key
from dataset_svc.domain.personal.found import Found

_WORD, _INITIAL = r"[А-ЯЁ][а-яё]+(?:-[А-ЯЁ][а-яё]+)?", r"[А-ЯЁ]\."
_RUN = re.compile(rf"(?<![\w.-])(?:{_WORD}|{_INITIAL})(?:[ \u00a0]?(?:{_WORD}|{_INITIAL}))*(?![\w-])")
_TOKEN = re.compile(rf"{_WORD}|{_INITIAL}")
_INTRODUCED = re.compile(
    r"(?:зовут|\bимя|фамили[яю]|отчество|получател[ья]|пассажир\w*|\bгост[ья]|на имя|клиент\w*|\bфио|\bя"
    r"|\bэто|подпись)(?: [а-яё]+)?\W{1,3}\Z",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:\bул(?:\.|иц\w+)|\bпр(?:\.|осп\w*\.?|-т)|площад\w+|\bпл\.|\bпер(?:\.|еул\w+)|набережн\w+|\bнаб\.|бульвар\w*|шоссе"
    r"|метро|станци\w+|театр\w*|музе\w+|имени|\bим\.|парк\w*|отел\w+|ресторан\w*|кафе|город\w*|\bг\.)\W{1,3}\Z",
    re.IGNORECASE,
)
_ON = re.compile(r"\b(?:на|по) \Z", re.IGNORECASE)
"""A street is often named without the word: «на Баумана»."""
_LATIN = r"[A-Z][a-z]+(?:[-'][A-Z]?[a-z]+)?"
_LATIN_NAMES = (
    re.compile(
        rf"(?i:\bmy (?:full )?name is|\bname'?s|\bname:|\bname of)\s+({_LATIN}(?: {_LATIN}){{0,2}})"
    ),
    re.compile(rf"\b(?:Hi|Hello|Hey|Dear)\s+({_LATIN}(?: {_LATIN})?)(?=[,!\n])"),
    re.compile(rf"\b(?:Mr|Mrs|Ms|Dr)\.?\s+({_LATIN}(?: {_LATIN})?)"),
    re.compile(
        rf"(?i:\bthis is|\bi'?m|\bi am|\bspeak(?:ing)? (?:to|with))\s+({_LATIN} {_LATIN})(?! [A-Z])"
    ),
)  # fmt: skip
_CAPITAL = re.compile("[А-ЯЁ]")
_NO_NAMES = frozenset(
    {
        "There", "All", "Everyone", "Everybody", "Sir", "Madam", "Team", "Customer", "Customers", "Client",
        "Support", "Guys", "Folks", "Friend", "Friends", "World", "Again", "From", "Not", "Very", "So",
        "Just", "Too", "Really", "Great", "Good", "Happy", "Sorry", "Sure", "Fine", "Glad", "The", "Our",
        "Your", "My", "Mr", "Mrs", "Ms", "Dr", "Both", "No", "Yes",
    }
)  # fmt: skip
"""Words with a capital where a name could stand."""
_KINDS_OF_NAME = (
    "full", "first", "last", "customer", "client", "guest", "contact", "passenger", "recipient", "patient",
)  # fmt: skip
_KEYS = re.compile(
    rf"\b(?:(?:{'|'.join(_KINDS_OF_NAME)}) ?name|surname|fio|фио)\b",
    re.IGNORECASE,
)
_JSON_KEY = re.compile(
    r'ame"(?:'
    + "|".join(rf"(?<={kind}{joint}ame\")" for kind in _KINDS_OF_NAME for joint in ("_n", " n", "N", "n"))
    + r"""|(?<="surname"))|fio"|фио"|ФИО\"""",
)
"""A field that `_KEYS` knows, in JSON text; it begins with letters, which are found fast."""
_LETTERS = r"[^\W\d_](?:[^\W\d_]|['.-])*"
_VALUE = re.compile(rf"(?!Client [A-Z]+\Z){_LETTERS}(?: {_LETTERS}){{0,3}}\Z")
"""What such a field holds of a name; "Client A" is a pseudonym where a function takes nothing but letters."""
_LIKELY, _SURE = 0.04, 0.7
_BEFORE = 40
"""Code points before a name that may say that it is one, or the name of a street."""


@cache
def names_are_found() -> bool:
    """Whether the extra is installed."""
    return all(importlib.util.find_spec(one) for one in ("pymorphy3", "pymorphy3_dicts_ru"))


@cache
def _morph() -> Any:
    import pymorphy3  # 24 MB with its dictionary: only where it is installed and a capital letter stands

    return pymorphy3.MorphAnalyzer(lang="ru")


@lru_cache(maxsize=4096)
def _forms(word: str) -> tuple[tuple[str, str, float], ...]:
    """The word's readings as part of a name: (Name, Surn or Patr, first form, how likely)."""
    readings = []
    for one in _morph().parse(word):
        grammemes = one.tag.grammemes
        kind = next((kind for kind in ("Name", "Patr", "Surn") if kind in grammemes), "")
        kind = "" if "Geox" in grammemes else kind
        readings.append((kind, one.normal_form, one.score))
    return tuple(readings)


def may_name(text: str) -> bool:
    """Whether the text, or the JSON that it is, is worth a closer look: cheap, as most texts are not."""
    if not names_are_found():
        return False
    if not text.isascii():
        return _CAPITAL.search(text) is not None or _JSON_KEY.search(text) is not None
    return _introduces(text) or _JSON_KEY.search(text) is not None


@lru_cache(maxsize=1024)
def is_key_of_name(key: str) -> bool:
    """Whether a JSON field of this name holds a person's name."""
    return names_are_found() and _KEYS.search(words_of_key(key)) is not None


def _introduces(text: str) -> bool:
    """Whether one of `_LATIN_NAMES` could match; "in" is ten times as fast as a pattern."""
    return (
        "ame is " in text or "ame's " in text or "ames " in text or "ame: " in text or "ame of " in text
        or "Hi " in text or "Hello " in text or "Hey " in text or "Dear " in text
        or "Mr" in text or "Ms" in text or "Dr" in text
        or "his is " in text or "I'm " in text or "i'm " in text or " am " in text or "peak" in text
    )  # fmt: skip


def find_names(text: str, key: str = "") -> Iterator[Found]:
    """Yield the names of people in a text."""
    if not names_are_found():
        return
    if key and is_key_of_name(key) and _VALUE.match(text):
        yield Found(0, len(text), "name", _normal(text))
        return
    if not text.isascii():
        for match in _RUN.finditer(text):
            yield from _in_run(text, match.start(), match[0])
    for pattern in _LATIN_NAMES if _introduces(text) else ():
        for match in pattern.finditer(text):
            if match[1].split(" ", 1)[0] not in _NO_NAMES:
                yield Found(*match.span(1), "name", match[1].lower())


def _normal(text: str) -> str:
    return " ".join(_first_form(word) for word in text.split())


def _first_form(word: str) -> str:
    return next((form for kind, form, _ in _forms(word) if kind), word.lower().rstrip("."))


def _in_run(text: str, start: int, run: str) -> Iterator[Found]:
    """Yield the longest stretches of a run of capitalised words that are names."""
    stretch: list[re.Match[str]] = []
    for token in [*_TOKEN.finditer(run), None]:
        if token is not None and _could_be(token[0]):
            stretch.append(token)
            continue
        while stretch and stretch[-1][0].endswith(".") and len(stretch) == 1:
            stretch.pop()
        first, last = (stretch[0].start(), stretch[-1].end()) if stretch else (0, 0)
        before = text[max(0, start + first - _BEFORE) : start + first]
        if stretch and _is_name(before, [one[0] for one in stretch]):
            yield Found(start + first, start + last, "name", _normal(run[first:last]))
        stretch = []


def _could_be(token: str) -> bool:
    return token.endswith(".") or any(kind and score >= _LIKELY for kind, _, score in _forms(token))


def _is_name(before: str, tokens: list[str]) -> bool:
    words = [one for one in tokens if not one.endswith(".")]
    if not words or _ADDRESS.search(before):
        return False
    if len(tokens) > 1:
        kinds = {kind for one in words for kind, _, score in _forms(one) if score >= _LIKELY}
        with_initial = len(words) < len(tokens)
        return bool({"Name", "Patr", "Surn"} & kinds) if with_initial else bool({"Name", "Patr"} & kinds)
    return _INTRODUCED.search(before) is not None or (not _ON.search(before) and _is_alone(words[0]))


def _is_alone(word: str) -> bool:
    """Whether a word is a name wherever it stands: Вера and Роман are something else as well."""
    kind, _, score = _forms(word)[0]
    places = any(not one for one, _, _ in _forms(word))
    return kind in {"Name", "Patr"} or (kind == "Surn" and score >= _SURE and not places)
