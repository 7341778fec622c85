"""Undo and redo of a working copy, against a plain list of states as one would keep it in memory."""

from __future__ import annotations

import random

from dataset_svc.domain.steps import Step, to_redo, to_undo


def test_undo_and_redo_do_what_a_list_of_states_would() -> None:
    for seed in range(200):
        chance = random.Random(seed)
        steps: list[Step] = []
        before: dict[int, int] = {}
        states, at, now, made = [0], 0, 0, 0
        for revision in range(1, 40):
            kind = chance.choice(("change", "undo", "redo"))
            target = to_undo(steps) if kind == "undo" else to_redo(steps) if kind == "redo" else None
            if kind == "change":
                made += 1
                states, at, new = [*states[: at + 1], made], at + 1, made
            elif kind == "undo":
                assert (target is not None) == (at > 0)
                if target is None:
                    continue
                at, new = at - 1, before[target.revision]
            else:
                assert (target is not None) == (at < len(states) - 1)
                if target is None:
                    continue
                at, new = at + 1, before[target.revision]
            assert new == states[at]
            before[revision] = now
            steps.insert(0, Step(revision, kind, known=True))  # type: ignore[arg-type]
            now = new


def test_what_is_not_known_is_not_taken_back() -> None:
    rewritten = Step(2, "change", known=False)
    assert to_undo([rewritten, Step(1, "change", known=False)]) is None
    assert to_undo([Step(3, "change", known=True), rewritten]) == Step(3, "change", known=True)
    undone = [Step(4, "undo", known=True), Step(3, "change", known=True), rewritten]
    assert to_undo(undone) is None
    assert to_redo(undone) == undone[0]
