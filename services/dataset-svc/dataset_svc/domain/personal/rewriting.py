"""Pseudonyms put in the place of personal data, in an example's copy and in its original alike.

Both are rewritten by one mapping: an answer that was not edited still is not, so it teaches as before, and
going back to the words first sent does not bring anybody's number back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from chassis.errors import Text
from dataset_svc.domain.edits import EditRefusedError
from dataset_svc.domain.functions import Functions
from dataset_svc.domain.message import Call, Content, Message, Messages, Span
from dataset_svc.domain.personal.json_text import as_string
from dataset_svc.domain.personal.places import CONTENT, Key, Place, places
from dataset_svc.domain.personal.pseudonyms import fictitious, language_of, numbered, word_of
from dataset_svc.domain.weights import Ratings, weights

_FEW = 50
"""Values of one call that are tried one by one; of more all get their form where one needs it."""
_Cut = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What stands for each value; `as_fiction`: those of which a function takes nothing but their form."""

    language: str
    numbers: Mapping[Key, int] = field(repr=False)
    as_fiction: Set[Key] = field(repr=False)

    def stands_for(self, place: Place, written: str) -> str:
        """Return what replaces this find, as text of its message or of its JSON value."""
        kind, number = place.found.kind, self.numbers[place.found.key]
        if place.found.key in self.as_fiction:
            return fictitious(kind, written, number)
        return word_of(kind, number, self.language)


def plan(
    draft: Messages, original: Messages, functions: Functions, allowed: Set[Key] = frozenset()
) -> Plan | None:
    """Return the pseudonyms of an example's values, None where it holds none."""
    found = [(one, place) for one in (*draft, *original) for place in places(one)]
    found = [(one, place) for one, place in found if place.found.key not in allowed]
    if not found:
        return None
    language = language_of(draft)
    texts = [text for one in (*draft, *original) for text in (one.text(), *(c.arguments for c in one.calls))]
    as_words = Plan(language, numbered([place for _, place in found], texts, language), frozenset())
    forced = {(key[0], as_words.numbers[key]) for key in _only_by_form(found, as_words, functions)}
    alike = (key for key, number in as_words.numbers.items() if (key[0], number) in forced)
    return replace(as_words, as_fiction=frozenset(alike))


def _only_by_form(
    found: Sequence[tuple[Message, Place]], as_words: Plan, functions: Functions
) -> Iterable[Key]:
    """Yield the values that are numbers in JSON, or that a function would refuse as words."""
    by_call: dict[tuple[int, str], list[Place]] = defaultdict(list)
    calls: dict[tuple[int, str], Call] = {}
    for message, place in found:
        if place.leaf is not None and place.leaf.is_number:
            yield place.found.key
        elif place.field != CONTENT:
            where = id(message), place.field
            by_call[where].append(place)
            calls[where] = message.calls[int(place.field.split(".")[1])]
    for where, inside in by_call.items():
        call = calls[where]
        if not _misses_more(functions, call, _cut(call.arguments, _cuts(call.arguments, inside, as_words))):
            continue
        keys = {one.found.key for one in inside}
        if len(keys) > _FEW:
            yield from keys
            continue
        for key in keys:
            mine = [one for one in inside if one.found.key == key]
            if _misses_more(functions, call, _cut(call.arguments, _cuts(call.arguments, mine, as_words))):
                yield key


def _misses_more(functions: Functions, call: Call, arguments: str) -> bool:
    before = set(functions.misses(call.name, call.arguments))
    return any(miss not in before for miss in functions.misses(call.name, arguments))


def rewritten(
    messages: Messages, plan: Plan, functions: Functions, allowed: Set[Key] = frozenset()
) -> Messages:
    """Return the messages with pseudonyms.

    Raises EditRefusedError where a function would not take its arguments any more.
    """
    return tuple(_message(one, plan, functions, allowed) for one in messages)


def _message(message: Message, plan: Plan, functions: Functions, allowed: Set[Key]) -> Message:
    found = [one for one in places(message) if one.found.key in plan.numbers and one.found.key not in allowed]
    if not found:
        return message
    inside = [one for one in found if one.field == CONTENT]
    text = message.text()
    cuts = _cuts(text, inside, plan)
    calls = []
    for number, call in enumerate(message.calls):
        name = f"tool_calls.{number}.function.arguments"
        mine = [one for one in found if one.field == name]
        arguments = _cut(call.arguments, _cuts(call.arguments, mine, plan))
        if _misses_more(functions, call, arguments):
            raise _no_fit(message.id, name)
        calls.append(replace(call, arguments=arguments))
    return replace(
        message, content=_content(message.content, cuts), calls=tuple(calls),
        hint=tuple(_moved(span, cuts) for span in message.hint),
    )  # fmt: skip


def _no_fit(message_id: str, name: str) -> EditRefusedError:
    text = Text(
        "The function takes no pseudonym in these arguments. Edit them by hand.",
        "Функция не примет псевдоним в этих аргументах. Исправьте их вручную.",
    )
    return EditRefusedError("pseudonym_does_not_fit", text, message_id, name)


def _cuts(text: str, found: Iterable[Place], plan: Plan) -> list[_Cut]:
    return [(one.start, one.end, instead(text, one, plan)) for one in found]


def instead(text: str, place: Place, plan: Plan) -> str:
    """Return what stands in the field's text (JSON or plain) in the place of a find."""
    leaf = place.leaf
    if leaf is None:
        return plan.stands_for(place, text[place.start : place.end])
    word = plan.stands_for(place, leaf.text[place.found.start : place.found.end])
    if not leaf.is_number:
        return as_string(word)
    return f"1{word[1:]}" if word.startswith("0") else word  # JSON has no number like 0001


def _cut(text: str, cuts: Sequence[_Cut]) -> str:
    kept, end = [], 0
    for start, stop, instead in cuts:
        kept += [text[end:start], instead]
        end = stop
    return "".join([*kept, text[end:]])


def _content(content: Content, cuts: Sequence[_Cut]) -> Content:
    if not cuts or content is None:
        return content
    if isinstance(content, str):
        return _cut(content, cuts)
    parts, offset = [], 0
    for part in content:
        text = str(part.get("text") or "")
        mine = [(a - offset, b - offset, new) for a, b, new in cuts if offset <= a < offset + len(text)]
        parts.append({**part, "text": _cut(text, mine)} if mine else part)
        offset += len(text)
    return tuple(parts)


def _moved(span: Span, cuts: Sequence[_Cut]) -> Span:
    """A mark moves along with its words, and takes the whole of a pseudonym that it began or ended in."""

    def moved(point: int, inside: Callable[[int, str], int]) -> int:
        shift = 0
        for start, end, instead in cuts:
            if end <= point:
                shift += len(instead) - (end - start)
            elif start < point:
                return inside(start + shift, instead)
        return point + shift

    return Span(moved(span.start, lambda at, _: at), moved(span.end, lambda at, instead: at + len(instead)))


def keep_weights(
    before: tuple[Messages, Messages], after: tuple[Messages, Messages], ratings: Ratings
) -> Messages:
    """Return the copy of (copy, original) after, with what teaches as it was before.

    An edit that only spelled a number differently is no edit any more.
    """
    was, now = weights(*before, ratings), weights(*after, ratings)
    return tuple(
        replace(one, weight=was[one.id]) if was.get(one.id) != now.get(one.id) else one for one in after[0]
    )
