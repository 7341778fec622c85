"""All detectors over one text."""

from __future__ import annotations

import re

from dataset_svc.domain.personal.context import words_of_key
from dataset_svc.domain.personal.emails import find_emails
from dataset_svc.domain.personal.found import Found, without_overlaps
from dataset_svc.domain.personal.names import find_names
from dataset_svc.domain.personal.numbers import (
    find_cards,
    find_ibans,
    find_inns,
    find_passports,
    find_snils,
)
from dataset_svc.domain.personal.phones import find_phones

_DIGITS = re.compile(r"\d(?:[^\d]{0,8}\d){4}")
"""Five digits near each other: fewer are no number of a person, and most texts hold none."""
_NUMBERS = (find_cards, find_snils, find_inns, find_passports, find_ibans, find_phones)


def detect(text: str, key: str = "") -> list[Found]:
    """Return the personal data in a text, in order, without overlaps.

    `key` is the name of the JSON field that holds it: "passport_number" says what its digits are.
    """
    found = [*find_emails(text), *find_names(text, key)]
    if _DIGITS.search(text):
        words = words_of_key(key)
        for find in _NUMBERS:
            found += find(text, words)
    return without_overlaps(found)
