"""Whether a client asks for a person instead of the model, in Russian or English.

Clause by clause: a word for such a person, with a word of asking near it, and no negation over them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dataset_svc.domain.suggestions.words import Words, plain

LONGEST = 1_000
"""Characters that are looked at: who asks for a person does so in few words."""
NEAR, WITHIN = 3, 7
"""Words between asking and the person: of one who wants, and of one who wants to talk or be connected."""
ALONE = 4
"""Words of a message that says nothing but whom one wants."""
_CLAUSE = re.compile(r"[.!?;,:()\n…]+| (?:but|но|зато) | [-–—]+ ")
_WORD = re.compile(r"[\w']+(?:-[\w']+)*")
_POLITE = re.compile(r",?\s*\b(?:please|pls|plz|пожалуйста|плиз|пжл|будьте добры)\b\s*,?")
_STAFF = Words(
    r"humans? operators? representatives? rep supervisor managers? employees? оператор\w* менеджер\w*",
    r"консультант\w* специалист\w* сотрудник\w* администратор\w* руководител\w+ начальник\w*",
    r"старш(?:его|ему|им) живым? живого живому",
)
_ANYBODY = Words(
    r"persons? people someone somebody anyone anybody man человек\w* люд(?:ей|ям|ьми|и) кто-(?:нибудь|то)",
    r"кем-(?:нибудь|то) кого-(?:нибудь|то)",
)
_DESK = Words(
    r"support staff service поддержк\w+ служб\w+",
)
_ALIVE = Words(
    r"real live living actual human жив\w+ реальн\w+ настоящ\w+ обычн\w+ нормальн\w+",
)
_TALK = Words(
    r"talk talking speak speaking chat connect transfer redirect escalate switch forward put pass hand",
    r"reach contact поговорить поговорю говорить пообщаться общаться разговаривать переговорить связаться",
    r"соедин\w+ переключ\w+ перевед\w+ перевест\w+ переводи\w* позов\w+ позвать зови зовите пригласи\w*",
    r"передай\w* свяжи\w* свяжете подключи\w* вызов\w+ вызвать",
)
_PAST = re.compile(r"[а-я]+(?:л|ла|ли|лся|лась|лись)")
_WANT = Words(
    r"want need give get like prefer call bring where is are хочу хотел\w* хотелось нужен нужна нужно надо",
    r"можно дай дайте прошу требую давай давайте лучше есть где",
)
_FILLER = Words(
    r"an? the to with me us some any one of your from there i is now just another agent только мне нам",
    r"меня ваш\w* с со к на от уже сюда сейчас срочно тут здесь бы ли у вас кого-нибудь просто",
    r"техническ\w+ другого другой",
)
_NOT = Words(
    "don't dont not no without never doesn't isn't не без ненадо",
)
_MAY = Words(
    "могли могу мог могла можете может можно могут",
)
_ELSEWHERE = Words(
    r"travel estate insurance tour mobile phone booking rental secret recruitment мобильн\w+ сотов\w+",
    r"связи молодого молодой",
)
_OWN = Words(
    r"my his her their for мой моего моему моим моей наш\w* для",
)
_COUNT = Words(
    r"\d+ one two three four five six seven eight nine ten many один одного одному одну два две двух двоих",
    r"три трех троих четыре четырех пять шесть несколько каждого сколько",
)
_BOT = Words(
    r"bots? robots? machines? ai ботом? бота роботом? робота машиной железкой автоответчик\w*",
)

_NAMED = re.compile(rf"\b(?:{'|'.join(one.source for one in (_STAFF, _ANYBODY, _DESK, _BOT))}|agents?)\b")


def asks_for_human(text: str) -> bool:
    """Whether a message asks for a person."""
    said = plain(text[:LONGEST])
    if not _NAMED.search(said):
        return False
    said = _POLITE.sub(" ", said)
    clauses = [words for one in _CLAUSE.split(said) if (words := _WORD.findall(one))]
    return any(_asks(words) or _only_names(words, of=len(clauses)) for words in clauses)


def _asks(words: Sequence[str]) -> bool:
    return _refuses_bots(words) or any(
        _is_person(words, place) and _is_wanted(words, place) and not _is_negated(words, place)
        for place in range(len(words))
    )


def _is_person(words: Sequence[str], place: int) -> bool:
    """Whether the word at this place is somebody of the other side, not of the matter."""
    word, around = words[place], [*words[max(0, place - 2) : place], *words[place + 1 : place + 2]]
    if not (_STAFF(word) or _ANYBODY(word) or _DESK(word) or word in {"agent", "agents"}):
        return False
    if any(map(_ELSEWHERE, around)) or any(map(_OWN, words[max(0, place - 1) : place])):
        return False
    return not (_ANYBODY(word) and any(map(_COUNT, around)))


def _is_wanted(words: Sequence[str], place: int) -> bool:
    """Whether one wants to talk to this person or be connected, or just wants one."""
    word, before = words[place], words[max(0, place - WITHIN) : place]
    after = words[place + 1 : place + 1 + NEAR]
    if any(_TALK(one) and not _PAST.fullmatch(one) for one in [*before, *after[:2]]):
        return True
    alive = _ALIVE(word) or any(map(_ALIVE, before[-2:]))
    if not alive and (_DESK(word) or (_ANYBODY(word) and not word.startswith("человек"))):
        return False
    for back, one in enumerate(reversed(before)):
        if _WANT(one):
            return back <= NEAR
        if not (_FILLER(one) or _ALIVE(one)):
            return False
    return bool(after) and not before and _WANT(after[0])


def _is_negated(words: Sequence[str], place: int) -> bool:
    """Whether no such person is wanted; "can't I …" and «не могли бы …» ask, "no, I want …" too."""
    for at in range(max(0, place - WITHIN), min(len(words), place + NEAR)):
        one = words[at]
        follows = words[at + 1] if at + 1 < len(words) else ""
        if not _NOT(one) or (one == "не" and _MAY(follows)) or (one == "no" and follows == "i"):
            continue
        if at < place or (one == "не" and _WANT(follows)):
            return True
    return False


def _refuses_bots(words: Sequence[str]) -> bool:
    """Whether a client wants to talk, and not with a bot: «не с ботом», "not to a robot"."""
    return any(
        _BOT(one) and any(map(_NOT, before[-NEAR - 1 :])) and any(map(_TALK, before))
        for one, before in ((one, words[max(0, at - WITHIN) : at]) for at, one in enumerate(words))
    )


def _only_names(words: Sequence[str], of: int) -> bool:
    """Whether nothing is said but whom one wants: "Operator!"; of several clauses, alive."""
    if len(words) > ALONE:
        return False
    alive = any(map(_ALIVE, words))
    named = [one for one in words if _STAFF(one) or one == "agent" or (_ANYBODY(one) and alive)]
    rest = [one for one in words if one not in named and not _FILLER(one) and not _ALIVE(one)]
    return bool(named) and not rest and (alive or of == 1)
