"""Grouping near duplicates: `python -m tests.bench.duplicates [EXAMPLES [COMPARED]]`.

100,000 examples, 5,000 of them compared by brute force: families of five, made of the real dialogs
(../shared/data) by seeded edits: words exchanged one by one, a stretch of words replaced, words added; their
similarity to the first of the family lies between 0.6 and 1. Where families outnumber the dialogs, their
firsts are dialogs in which every other word was exchanged.

`seconds`: the worker's grouping of all of them, as the service does it, with a real PostgreSQL. `peak_mb`:
what the worker's process and its side process had in memory at most meanwhile, together. `recall`,
`precision`: the pairs that the matching takes for near, against every pair of the 5,000 by the exact
similarity of their shingles' text. `group_recall`: exact pairs that are in one group; `group_precision`:
pairs of a group that exact pairs connect. `after_edit`: seconds to group again after one saved edit.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from dataset_svc.domain import near
from dataset_svc.domain.edits import EditText
from dataset_svc.domain.groups import Union
from dataset_svc.domain.message import Message, Messages, dump
from dataset_svc.usecases.check_examples import Checker
from dataset_svc.usecases.group_examples import Grouper
from deploy.stack.prepared import prepare
from deploy.stack.servers import Servers
from deploy.stack.settings import from_environment
from tests.bench._stage import NO_ISSUER, result
from tests.integration.curation import TENANT, Curation, curating
from tests.shared_data import SHARED, dialogs, messages_of

FAMILY = 5
INSERT = """
    WITH given AS (SELECT * FROM unnest($3::uuid[], $4::text[]) AS g (id, messages)),
    made AS (
        INSERT INTO examples (tenant_id, id, dataset_id, state, original, draft, saved_revision, saved_draft,
            teaches, answers, changed_by)
        SELECT $1, id, $2, 'saved', messages::jsonb, messages::jsonb, 1, 1, 1, 1, 'bench' FROM given
    )
    INSERT INTO example_revisions (tenant_id, example_id, revision, messages, line, tokens, teaches, answers,
        saved_by)
    SELECT $1, id, 1, messages::jsonb, '', 0, 1, 1, 'bench' FROM given
"""


def main() -> None:
    """Measure."""
    if not SHARED.exists():
        raise SystemExit("needs the dialogs of ../shared/data beside the checkout")
    count, compared = (*map(int, sys.argv[1:]), *(100_000, 5_000)[len(sys.argv) - 1 :])
    talks = list(islice(_talks(), compared))
    exact, figures = _against_brute_force(talks)
    measured, groups = asyncio.run(_grouped(count, compared))
    joined = Union(compared)
    for pair in exact:
        joined.join(*pair)
    in_group = _pairs_in(groups)
    recall = sum(1 for one, other in exact if groups[one] is not None and groups[one] == groups[other])
    precision = sum(1 for pair in in_group if joined.same(*pair))
    print(f"{len(exact)} of the pairs are near by brute force, {len(in_group)} are in one group")
    result(
        **measured, **figures, group_recall=round(recall / len(exact), 4),
        group_precision=round(precision / len(in_group), 4),
    )  # fmt: skip


def _talks() -> Iterator[Messages]:
    chance = random.Random(20)
    real = list(map(messages_of, dialogs()))
    vocabulary = sorted({word for one in real for message in one for word in message.text().split()})
    for number in range(10**9):
        first = real[number % len(real)]
        if number >= len(real):
            first = _exchanged(first, 0.5, vocabulary, chance)
        yield first
        for _ in range(FAMILY - 1):
            edit = chance.choice((_exchanged, _exchanged, _replaced, _longer))
            most = {_exchanged: 0.08, _replaced: 0.22, _longer: 0.4}[edit]
            yield edit(first, chance.uniform(0.0, most), vocabulary, chance)


def _spoken(one: Message) -> bool:
    return isinstance(one.content, str) and one.content != ""


def _with_words(talk: Messages, words: Sequence[Sequence[str]]) -> Messages:
    texts = iter(words)
    return tuple(replace(one, content=" ".join(next(texts))) if _spoken(one) else one for one in talk)


def _words(talk: Messages) -> list[list[str]]:
    return [str(one.content).split() for one in talk if _spoken(one)]


def _exchanged(talk: Messages, share: float, vocabulary: Sequence[str], chance: random.Random) -> Messages:
    """Words here and there are others."""
    words = [
        [chance.choice(vocabulary) if chance.random() < share else one for one in text]
        for text in _words(talk)
    ]
    return _with_words(talk, words)


def _replaced(talk: Messages, share: float, vocabulary: Sequence[str], chance: random.Random) -> Messages:
    """A stretch of words is another."""
    words = _words(talk)
    total = sum(map(len, words))
    first = chance.randrange(total)
    numbers = iter(range(total))
    changed = [
        [chance.choice(vocabulary) if first <= next(numbers) < first + share * total else one for one in text]
        for text in words
    ]
    return _with_words(talk, changed)


def _longer(talk: Messages, share: float, vocabulary: Sequence[str], chance: random.Random) -> Messages:
    """Words are added to one message."""
    words = _words(talk)
    more = int(share * sum(map(len, words)))
    words[chance.randrange(len(words))] += chance.choices(vocabulary, k=more)
    return _with_words(talk, words)


class _Unconnected(Union):
    """Nothing counts as connected already: every pair is looked at."""

    def same(self, one: int, other: int) -> bool:
        return False


def _against_brute_force(talks: Sequence[Messages]) -> tuple[set[tuple[int, int]], dict[str, float]]:
    started = time.perf_counter()
    exact = _exact_pairs([set(near.shingles_of(near.words_of(one))) for one in talks])
    print(f"brute force over {len(talks)} examples: {time.perf_counter() - started:.0f} s")
    sketches = [one for one in map(near.sketch, talks) if one is not None]
    with patch.object(near, "Union", _Unconnected):
        pairs = near.find_pairs([one.signature for one in sketches], range(len(sketches)))
    flags = near.near_flags(
        (sketches[one].shingles, sketches[other].shingles) for one, other in pairs.doubtful
    )
    sure = (pair for pair, is_near in zip(pairs.doubtful, flags, strict=True) if is_near)
    found = {(min(pair), max(pair)) for pair in chain(pairs.near, sure)}
    print(f"{len(pairs.near)} pairs by signature, {len(pairs.doubtful)} of which shingles decided")
    right = len(found & exact)
    return exact, {"recall": round(right / len(exact), 4), "precision": round(right / len(found), 4)}


def _exact_pairs(sets: Sequence[set[str]]) -> set[tuple[int, int]]:
    """Every pair at 0.8 or above; one that sizes alone rule out is not counted through."""
    order = sorted(range(len(sets)), key=lambda place: len(sets[place]))
    found = set()
    for rank, place in enumerate(order):
        one = sets[place]
        for other in order[rank + 1 :]:
            if len(one) < near.NEAR * len(sets[other]):
                break
            both = len(one & sets[other])
            if both >= near.NEAR * (len(one) + len(sets[other]) - both):
                found.add((min(place, other), max(place, other)))
    return found


def _pairs_in(groups: Sequence[UUID | None]) -> list[tuple[int, int]]:
    members: dict[UUID, list[int]] = {}
    for place, group in enumerate(groups):
        if group is not None:
            members.setdefault(group, []).append(place)
    return [(one, other) for held in members.values() for one in held for other in held if one < other]


async def _grouped(count: int, compared: int) -> tuple[dict[str, float], list[UUID | None]]:
    folder = from_environment().run / "bench" / f"duplicates-{os.getpid()}"
    servers = Servers.on_free_ports(folder)
    await servers.start_postgres()
    try:
        prepared = await prepare("", servers.admin_url, NO_ISSUER, folder)
        async with curating(prepared, prepared.template, folder / "objects") as curation:
            return await _measured(curation, count, compared)
    finally:
        await servers.postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _measured(
    curation: Curation, count: int, compared: int
) -> tuple[dict[str, float], list[UUID | None]]:
    dataset = await curation.agent()
    ids = await _fill(curation, dataset, count)
    checker, grouper = Checker(curation.database, curation.side), Grouper(curation.database, curation.side)
    started = time.perf_counter()
    while await checker.check_next():
        pass
    print(f"{count / (time.perf_counter() - started):.0f} examples a second checked, signatures with them")
    await curation.side.run(_forget_peak)
    _forget_peak()
    seconds = await _timed(grouper)
    peak = _peak() + await curation.side.run(_peak)
    groups = await _groups(curation)
    print(
        f"{len({one for one in groups.values() if one})} groups of {sum(map(bool, groups.values()))} examples"
    )
    await curation.edit(ids[7], EditText("m0", "Quite another question, if I may."))
    while await checker.check_next():
        pass
    after_edit = await _timed(grouper)
    print(f"grouping after one edit: {after_edit:.2f} s, {after_edit / seconds:.1%} of the whole")
    figures = {"seconds": round(seconds, 1), "peak_mb": round(peak), "after_edit": round(after_edit, 2)}
    return figures, [groups[one] for one in ids[:compared]]


async def _fill(curation: Curation, dataset: UUID, count: int) -> list[UUID]:
    ids: list[UUID] = []
    talks = islice(_talks(), count)
    while some := list(islice(talks, 500)):
        made = [uuid7() for _ in some]
        async with curation.database.transaction() as transaction:
            await transaction.connection.execute(
                INSERT, TENANT, dataset, made, [orjson.dumps(dump(one)).decode() for one in some]
            )
        ids += made
    gc.collect()
    return ids


async def _timed(grouper: Grouper) -> float:
    started = time.perf_counter()
    while await grouper.group_next():
        pass
    return time.perf_counter() - started


async def _groups(curation: Curation) -> dict[UUID, UUID | None]:
    async with curation.database.transaction() as transaction:
        rows = await transaction.connection.fetch("SELECT example_id, group_id FROM example_signatures")
    return {row["example_id"]: row["group_id"] for row in rows}


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """Most megabytes that this process had in memory since `_forget_peak`."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
