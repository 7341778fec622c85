"""Whether a client said the same thing again, or complained of having to, in Russian or English."""

from __future__ import annotations

import re
from collections.abc import Sequence

from dataset_svc.domain.suggestions.words import Words, plain, stem, words_of

ELSE = frozenset({"…"})
"""What is left of a message that asks for something else: it is the same as none."""
LONGEST = 2_000
"""Characters of a message that are looked at."""
CONTENT, ALIKE = 3, 0.75
"""Words that carry something, at least, in both; the share of them that both have."""
_EMPTY = Words(
    "an? the to of in on at for from with and or is are was be it its it's this i i'm i'd me my we you",
    "your do does did can could will would please just so then what how there have has some any yes yeah",
    "no not ok okay sure thank thanks right good great fine hi hello very much nothing appreciate helpful",
    "help all и в во на с со к ко по за из от до у о об а но же ли бы не ну да нет я мы вы ты он она оно",
    "они мне меня нас вас вам мой моя мое мои это этот эта то так там тут как что где все уже еще будет",
    "будут можно подскажите скажите пожалуйста спасибо хорошо ладно ага ок добрый день здравствуйте",
)
_OTHER = Words(
    r"else another others? alternatives? different next more again друг(?:ой|ая|ое|ие|ую|их) иначе",
    r"следующ\w+ альтернатив\w* снова опять еще",
)
"""Words by which one asks for something else in the same words, as often as one likes."""
_COMPLAINTS = (
    r"\bi(?:'ve| have)? (?:(?:just|already) ){1,2}(?:said|told|asked|mentioned|explained|wrote|gave)\b",
    r"\b(?:as|like) i (?:(?:have|had|just|already) ){0,2}(?:said|mentioned|told|wrote|explained)\b",
    r"\b(?:i said|i'll repeat|i will repeat|i repeat|repeating myself|again:)",
    r"\b(?:asking|asked|told|telling) you (?:again|twice|(?:three|several|many) times|already|before)\b",
    r"\bfor the (?:second|third|fourth|fifth|tenth|hundredth|last|\d+(?:nd|rd|th)) time\b",
    r"\b(?:didn't|did not|haven't|have not|aren't|are not|not) (?:answer|answered|answering|listening|listen"
    r"|hear|reading)(?: to)? (?:me|my|the question|what i)\b",
    r"\b(?:that's|that is|it's) not what i (?:asked|meant|said|wanted)\b",
    r"\bhow many times (?:do|must|should|have)\b",
    r"\b(?:же|уже)(?: (?:вам|тебе|это|ведь|\d+ раз\w*))* (?:сказал|говорил|писал|написал|спрашивал|спросил"
    r"|объяснял|называл|указывал)\w*",
    r"\b(?:повторяю|повторюсь|еще раз (?:спрашиваю|повторяю|пишу|говорю|объясняю))\b",
    r"\b(?:второй|третий|четвертый|пятый|десятый|сотый|который) раз(?: (?:вам|вас|уже|тебя|тебе))*"
    r" (?:пишу|говорю|спрашиваю|повторяю|прошу|объясняю)\b",
    r"\bсколько (?:можно|раз)(?: (?:вам|уже|я|должен|должна|можно|мне))* (?:повторять|говорить|спрашивать"
    r"|писать|объяснять|просить)\b",
    r"\b(?:вы|ты)(?: (?:так|и|мне|опять|снова|вообще|меня))* не (?:ответил|отвечае|читае|слыш|слушае|понял"
    r"|понимае)\w*",
    r"\bне (?:об этом|про это|это|о том)(?: я)? (?:спрашивал|спросил|просил|говорил)\w*",
)
_COMPLAINS = re.compile("|".join(_COMPLAINTS))


def repeated(said: Sequence[str]) -> list[int]:
    """Return the places of a client's messages that say again what one shortly before said."""
    texts = [plain(text[:LONGEST]) for text in said]
    words = [_content(text) for text in texts]
    return [
        place
        for place, text in enumerate(texts)
        if place and (complains(text) or any(same(words[place], one) for one in _before(words, place)))
    ]


def _before(words: Sequence[frozenset[str]], place: int) -> Sequence[frozenset[str]]:
    """Return what was said right before, and before that where there lies only an "ok" in between.

    The same question after something else was talked of is one about that.
    """
    between = words[place - 1]
    return words[max(0, place - 2 if len(between) <= 1 and between != ELSE else place - 1) : place]


def complains(text: str) -> bool:
    """Whether a plain text says that this was said or asked before, or was not listened to."""
    return _COMPLAINS.search(text) is not None


def same(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two messages say nearly the same: most of their words, and all of their numbers.

    Another number is another wish: "for 3 people" after "for 2 people" repeats nothing.
    """
    if min(len(one), len(other)) < CONTENT or _numbers(one) != _numbers(other):
        return False
    return len(one & other) > ALIKE * len(one | other)


def _content(text: str) -> frozenset[str]:
    """Return the stems of the words that carry something."""
    words = words_of(text)
    if any(map(_OTHER, words)):
        return ELSE
    return frozenset(stem(word) for word in words if not _EMPTY(word))


def _numbers(words: frozenset[str]) -> set[str]:
    return {word for word in words if word[0].isdigit()}
