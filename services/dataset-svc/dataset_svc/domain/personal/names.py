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
_LATIN = r"[A-Z][a-z]+(?:[-'][A-Z]?[a-z]+)?"
_LATIN_NAMES = (
    re.compile(
        rf"(?i:\bmy (?:full )?name is|\bname'?s|\bname:|\bname of)\s+({_LATIN}(?: {_LATIN}){{0,2}})"
    ),
    re.compile(rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Mister)\.?\s+({_LATIN}(?: {_LATIN})?)"),
    re.compile(
        rf"(?i:\bthis is|\bi'?m|\bi am|\bspeak(?:ing)? (?:to|with))\s+({_LATIN} {_LATIN})(?! [A-Z])"
    ),
)  # fmt: skip
_KEYS = re.compile(
    r"\b(?:(?:full|first|last|customer|client|guest|contact|passenger|recipient|patient) ?name"
    r"|surname|fio|фио)\b",
    re.IGNORECASE,
)
_VALUE = re.compile(r"[^\W\d_][\w'.-]*(?: [^\W\d_][\w'.-]*){0,3}\Z")
_LIKELY, _SURE = 0.04, 0.7


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


def find_names(text: str, key: str = "") -> Iterator[Found]:
    """Yield the names of people in a text."""
    if not names_are_found():
        return
    if _KEYS.search(words_of_key(key)) and _VALUE.match(text):
        yield Found(0, len(text), "name", _normal(text))
        return
    for match in _RUN.finditer(text):
        yield from _in_run(text, match.start(), match[0])
    for pattern in _LATIN_NAMES:
        for match in pattern.finditer(text):
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
        if stretch and _is_name(text[: start + stretch[0].start()], [one[0] for one in stretch]):
            first, last = stretch[0].start(), stretch[-1].end()
            yield Found(start + first, start + last, "name", _normal(run[first:last]))
        stretch = []


def _could_be(token: str) -> bool:
    return token.endswith(".") or any(kind and score >= _LIKELY for kind, _, score in _forms(token))


def _is_name(before: str, tokens: list[str]) -> bool:
    before = before[-40:]
    if _ADDRESS.search(before):
        return False
    words = [one for one in tokens if not one.endswith(".")]
    if not words:
        return False
    if len(tokens) > 1:
        kinds = [{kind for kind, _, score in _forms(one) if score >= _LIKELY} for one in words]
        if len(words) < len(tokens):
            return any("Surn" in one for one in kinds)
        return any({"Name", "Patr"} & one for one in kinds)
    if _INTRODUCED.search(before):
        return True
    kind, _, score = _forms(words[0])[0]
    places = any(not one for one, _, _ in _forms(words[0]))
    return kind in {"Name", "Patr"} or (kind == "Surn" and score >= _SURE and not places)
