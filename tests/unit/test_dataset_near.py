"""Near duplicates: words, shingles, signatures, pairs, groups that keep their id."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from uuid import UUID

import pytest

from dataset_svc.domain import near
from dataset_svc.domain.groups import Group, Member, Union, known_pairs, place_groups
from dataset_svc.domain.message import Call, Message, Messages

THEN = datetime(2026, 1, 1, tzinfo=UTC)


def said(*texts: str) -> Messages:
    """A dialog whose words are these, in the end an answer without any."""
    roles = ("user", "assistant")
    spoken = [Message(id=f"m{n}", role=roles[n % 2], content=text) for n, text in enumerate(texts)]
    return (*spoken, Message(id="end", role="assistant", content=""))


def likeness(one: Messages, other: Messages) -> float:
    first, second = near.sketch(one), near.sketch(other)
    assert first is not None
    assert second is not None
    return near.jaccard(first.shingles, second.shingles)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Ещё раз, ЁЖИК!", ["еще", "раз", "ежик"]),
        ("Call +7 (495) 123-45-67.", ["call", "7", "495", "123", "45", "67"]),
        ("ﬁne Ｗｏｒｄ", ["fine", "word"]),
        ("  ?!  — ", ["?!—"]),
        ("A_b C-d\tE\x00f", ["a_b", "c", "d", "e", "f"]),
        ("", []),
    ],
)
def test_words_are_without_case_punctuation_and_accents_on_ye(text: str, words: list[str]) -> None:
    assert near.words_of(said(text)) == words


def test_words_are_those_of_the_trained_part_with_its_calls() -> None:
    call = Call("c1", "find_table", '{"city":"Omsk"}')
    talk = (
        Message(id="s", role="system", content="Be brief."),
        Message(id="u", role="user", content="A table"),
        Message(id="a", role="assistant", calls=(call,)),
        Message(id="t", role="tool", content="Sino", call_id="c1"),
        Message(id="b", role="assistant", content=({"type": "text", "text": "At Sino"},)),
        Message(id="v", role="user", content="thanks"),
    )
    assert near.words_of(talk) == ["a", "table", "find_table", "city", "omsk", "sino", "at", "sino"]


def test_short_texts_are_one_shingle_and_none_has_no_signature() -> None:
    assert near.shingles_of(["yes"]) == ["yes"]
    assert near.shingles_of(["yes", "please"]) == ["yes please"]
    assert near.shingles_of(["a", "b", "c", "d"]) == ["a b c", "b c d"]
    assert near.shingles_of([]) == []
    assert near.sketch(said("")) is None
    assert near.sketch((Message(id="u", role="user", content="nobody answered"),)) is None
    assert likeness(said("Да!"), said("да")) == 1.0
    assert likeness(said("???"), said("!!!")) == 0.0


def test_the_hashes_of_shingles_give_the_similarity_of_the_shingles() -> None:
    one, other = near.words_of(said("раз два три четыре пять")), near.words_of(said("раз два три четыре six"))
    left, right = set(near.shingles_of(one)), set(near.shingles_of(other))
    exact = len(left & right) / len(left | right)
    assert exact == 0.5
    assert likeness(said(" ".join(one)), said(" ".join(other))) == exact


def test_a_long_text_keeps_few_hashes_and_is_still_compared_closely() -> None:
    words = [f"w{random.Random(n).random()}" for n in range(17_000)]
    changed = [*words[:15_000], *(f"x{n}" for n in range(2_000))]
    text, other = " ".join(words), " ".join(changed)
    assert len(text) > 100_000
    kept = near.sketch(said(text))
    assert kept is not None
    assert len(kept.shingles) == 4 * near.MOST_SHINGLES
    left, right = (set(near.shingles_of(near.words_of(said(one)))) for one in (text, other))
    exact = len(left & right) / len(left | right)
    assert likeness(said(text), said(other)) == pytest.approx(exact, abs=0.03)


def family(seed: int, copies: int, words: int = 200) -> list[Messages]:
    """A text, and copies in which more and more words are others."""
    chance = random.Random(seed)
    base = [f"w{chance.randrange(10**6)}" for _ in range(words)]
    return [
        said(" ".join([*base[: words - 4 * number], *(f"{seed}-{number}-{n}" for n in range(4 * number))]))
        for number in range(copies)
    ]


def signatures(talks: Sequence[Messages]) -> list[near.Sketch]:
    return [one for one in map(near.sketch, talks) if one is not None]


def pairs_of(sketches: Sequence[near.Sketch], changed: Sequence[int]) -> set[frozenset[int]]:
    """The near pairs as a worker finds them."""
    found = near.find_pairs([one.signature for one in sketches], changed)
    flags = near.near_flags(
        (sketches[one].shingles, sketches[other].shingles) for one, other in found.doubtful
    )
    sure = [pair for pair, is_near in zip(found.doubtful, flags, strict=True) if is_near]
    return {frozenset(pair) for pair in (*found.near, *sure)}


def parts_of(sketches: Sequence[near.Sketch]) -> list[list[int]]:
    joined = Union(len(sketches))
    for one, other in map(sorted, pairs_of(sketches, range(len(sketches)))):
        joined.join(one, other)
    return list(joined.parts())


def test_pairs_are_those_at_four_fifths_and_above() -> None:
    sketches = signatures([one for seed in range(20) for one in family(seed, 12)])
    exact = Union(len(sketches))
    for one in range(len(sketches)):
        for other in range(one):
            if near.jaccard(sketches[one].shingles, sketches[other].shingles) >= near.NEAR:
                exact.join(one, other)
    assert parts_of(sketches) == list(exact.parts())
    assert 20 < len(parts_of(sketches)) < len(sketches)


def test_what_is_unchanged_is_not_compared_again() -> None:
    sketches = signatures(family(1, 3) + family(2, 3))
    assert pairs_of(sketches, []) == set()
    assert all(5 in pair for pair in pairs_of(sketches, [5]))
    assert pairs_of(sketches, [5])


def test_a_crowd_that_follows_one_script_is_one_group_and_takes_no_quadratic_work() -> None:
    script = " ".join(f"w{n}" for n in range(300))
    sketches = signatures([said(f"{script} order {number}") for number in range(1_500)])
    assert len(parts_of(sketches)) == 1
    found = near.find_pairs([one.signature for one in sketches], range(len(sketches)))
    assert len(found.near) + len(found.doubtful) < 2 * len(sketches)


def test_a_crowd_that_is_not_near_enough_is_compared_with_the_likeliest_only() -> None:
    script = " ".join(f"w{n}" for n in range(85))
    talks = [said(f"{script} {' '.join(f'x{number}y{n}' for n in range(15))}") for number in range(400)]
    talks.append(said(f"{script} {' '.join(f'x{7}y{n}' for n in range(13))} other words"))
    sketches = signatures(talks)
    found = near.find_pairs([one.signature for one in sketches], range(len(sketches)))
    assert len(found.near) + len(found.doubtful) <= near.FEW * len(sketches)
    assert [part for part in parts_of(sketches) if len(part) > 1] == [[7, 400]]


def test_the_signature_of_another_version_of_the_library_is_refused() -> None:
    (made,) = signatures(family(1, 1))
    with pytest.raises(ValueError, match=r"version|Version"):
        near.find_pairs([made.signature.replace(b"RMinHash:2", b"RMinHash:1")], [0])


def member(number: int, group: int | None = None, *, is_grouped: bool = True) -> Member:
    place = number.to_bytes(8, "big")
    held = Group(UUID(int=group), group.to_bytes(8, "big")) if group is not None else None
    return Member(UUID(int=number), THEN, is_grouped, held, place)


def placed(members: Sequence[Member], *parts: Sequence[int]) -> dict[int, int | None]:
    """The new group of each member whose row changes, by number; new ids count from 900."""
    numbers = count(900)
    rows = place_groups(members, parts, lambda: UUID(int=next(numbers)))
    return {
        one.member.example_id.int: one.group.id.int if one.group else None for part in rows for one in part
    }


def fresh(*numbers: int) -> list[Member]:
    return [member(number, is_grouped=False) for number in numbers]


def test_a_new_group_takes_the_side_of_its_oldest_and_one_alone_is_in_none() -> None:
    members = fresh(1, 2, 3)
    assert placed(members, [0, 2], [1]) == {1: 900, 3: 900, 2: None}
    (group, _) = place_groups(members, [[0, 2], [1]], lambda: UUID(int=900))
    assert group[1].group == Group(UUID(int=900), members[0].split_hash)


def test_a_group_keeps_its_id_when_one_comes_and_only_the_new_one_is_written() -> None:
    assert placed([member(1, 50), member(2, 50), *fresh(3)], [0, 1, 2]) == {3: 50}


def test_a_group_keeps_its_id_when_its_first_member_turns_away() -> None:
    members = [replace(member(number, 50), is_grouped=False) for number in (1, 2, 3)]
    assert placed(members, [0], [1, 2]) == {1: None, 2: 50, 3: 50}


def test_one_that_is_left_alone_keeps_the_groups_id_for_those_who_come_back() -> None:
    assert placed([replace(member(2, 50), is_grouped=False)], [0]) == {2: 50}
    assert placed([member(2, 50), *fresh(3)], [0, 1]) == {3: 50}


def test_of_groups_that_become_one_the_oldest_id_stays() -> None:
    members = [member(1, 60), member(2, 50), member(3, 50), *fresh(4)]
    assert placed(members, [0, 1, 2, 3]) == {1: 50, 4: 50}


def test_a_group_that_falls_apart_gives_a_new_id_to_the_smaller_part() -> None:
    members = [replace(member(number, 50), is_grouped=False) for number in range(1, 6)]
    assert placed(members, [0, 1], [2, 3, 4]) == {1: 900, 2: 900, 3: 50, 4: 50, 5: 50}


def test_what_is_grouped_is_connected_without_being_compared() -> None:
    members = [member(1, 50), *fresh(2), member(3, 50), member(4), replace(member(5, 50), is_grouped=False)]
    assert known_pairs(members) == [(0, 0), (0, 2)]
