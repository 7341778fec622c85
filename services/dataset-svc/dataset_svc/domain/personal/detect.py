"""All detectors over one text."""

from __future__ import annotations

import re

from dataset_svc.domain.personal.context import words_of_key
from dataset_svc.domain.personal.emails import find_emails, may_address
from dataset_svc.domain.personal.found import Found, without_overlaps
from dataset_svc.domain.personal.names import find_names, is_key_of_name, may_name
from dataset_svc.domain.personal.numbers import (
    find_cards,
    find_ibans,
    find_inns,
    find_passports,
    find_snils,
)
from dataset_svc.domain.personal.phones import find_phones

_SEP = r"[\s().\-–—‑№#,]{0,3}"
_NUMBER = re.compile(
    rf"\d(?:(?:{_SEP}\d){{8}}|\d{{5}}|(?<!\d\d)\d(?:\d?-\d\d-\d\d|\d-\d{{4}})"
    r"|\d ?\d\d\D{1,9}\d{3} ?\d{3})"
)
"""Nine digits in groups, six together, or the shape of a local number: most texts hold none of these."""
_SHORTEST = 6
"""Characters of the shortest number or address; in JSON most values are shorter."""
_FINDERS = (find_cards, find_snils, find_inns, find_passports, find_ibans, find_phones)


def may_hold(text: str) -> bool:
    """Whether a text, or the JSON that it is, could hold personal data: cheap, and seldom wrong.

    Escapes of JSON may stand inside a number: such a text is read in any case.
    """
    return _NUMBER.search(text) is not None or "\\" in text or may_address(text) or may_name(text)


def worth_a_look(key: str, written: str) -> bool:
    """Whether a JSON value could be personal data, by its field's name and as it is written."""
    if len(written) < _SHORTEST and written.isascii():
        return is_key_of_name(key)
    return may_hold(written) or is_key_of_name(key)


def detect(text: str, key: str = "") -> list[Found]:
    """Return the personal data in a text, in order, without overlaps.

    `key` is the name of the JSON field that holds it: "passport_number" says what its digits are.
    """
    found = [*find_emails(text), *find_names(text, key)]
    if _NUMBER.search(text):
        words = words_of_key(key)
        for find in _FINDERS:
            found += find(text, words)
    return [one for one in without_overlaps(found) if one.value]
