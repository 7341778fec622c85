"""Names for values: one pseudonym a value in the whole example, "телефон-1", "Client-2"."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from dataset_svc.domain.message import Messages
from dataset_svc.domain.personal.found import Kind
from dataset_svc.domain.personal.places import Key, Place

WORDS: dict[str, dict[Kind, str]] = {
    "ru": {
        "name": "Клиент", "phone": "телефон", "email": "почта", "card": "карта", "inn": "ИНН",
        "snils": "СНИЛС", "passport": "паспорт", "iban": "счёт",
    },
    "en": {
        "name": "Client", "phone": "phone", "email": "email", "card": "card", "inn": "INN",
        "snils": "SNILS", "passport": "passport", "iban": "account",
    },
}  # fmt: skip
_NATIONAL = 10
"""Digits of a telephone number after its country code, in most countries."""
_CYRILLIC, _LETTER = re.compile("[а-яё]", re.IGNORECASE), re.compile("[a-z]", re.IGNORECASE)


def language_of(messages: Messages) -> str:
    """Return "ru" where most letters of what was said are Cyrillic, else "en"."""
    said = "".join(one.text() for one in messages if one.role in {"user", "assistant"})
    return "ru" if len(_CYRILLIC.findall(said)) > len(_LETTER.findall(said)) else "en"


def numbered(places: Sequence[Place], texts: Iterable[str], language: str) -> dict[Key, int]:
    """Number the values of each kind in the order of the places.

    It goes on after the pseudonyms that stand in the texts already: those of before stay somebody else's.
    """
    used = _used(texts, WORDS[language])
    same = _same_people({place.found.value for place in places if place.found.kind == "name"})
    numbers: dict[Key, int] = {}
    for kind, value in (place.found.key for place in places):
        person = (kind, same.get(value, value))
        if person not in numbers:
            used[kind] += 1
            numbers[person] = used[kind]
        numbers[kind, value] = numbers[person]
    return numbers


def _used(texts: Iterable[str], words: dict[Kind, str]) -> Counter[Kind]:
    used: Counter[Kind] = Counter()
    kinds = {word.lower(): kind for kind, word in words.items()}
    pattern = re.compile(rf"\b({'|'.join(words.values())})-(\d{{1,6}})\b", re.IGNORECASE)
    for text in texts:
        for match in pattern.finditer(text):
            kind = kinds[match[1].lower()]
            used[kind] = max(used[kind], int(match[2]))
    return used


def _same_people(names: set[str]) -> dict[str, str]:
    """Say which names mean one person: all words of the shorter are in the longer, and in no other one."""
    words = {name: set(name.split()) for name in names}
    same = {}
    for name in names:
        longer = [other for other in names if words[name] < words[other]]
        longest = [one for one in longer if not any(words[one] < words[other] for other in longer)]
        if len(longest) == 1:
            same[name] = longest[0]
    return same


def word_of(kind: Kind, number: int, language: str) -> str:
    """Return the pseudonym as a word."""
    return f"{WORDS[language][kind]}-{number}"


def fictitious(kind: Kind, written: str, number: int) -> str:
    """Return a value that nobody has, spelled as what it stands for, where a field wants that form."""
    if kind == "email":
        return f"email-{number}@example.com"
    if kind == "name":
        return f"Client {_letters(number)}"
    digits = sum(one.isdigit() for one in written)
    kept = max(digits - _NATIONAL, 0) if kind == "phone" else 0
    tail = iter(f"{number:0{digits}}"[kept:][-(digits - kept) :])
    found = 0
    result = []
    for one in written:
        found += one.isdigit()
        result.append(next(tail, "0") if one.isdigit() and found > kept else one)
    return "".join(result)


def _letters(number: int) -> str:
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(65 + rest) + name
    return name
