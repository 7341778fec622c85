"""Personal data: how much of it is found, how much else, and what looking costs.

`fitted`: the 300 labelled messages of tests/data/personal that the patterns were written along with;
`held_out`: 60 that were written afterwards and never used to improve them. Of each kind precision and recall;
a find counts when kind and both ends fit. `cost_ratio`: all checks of the shared real dialogs with the look
for personal data over all without it, processor time of one core, medians of rounds in turn. `dialogs`: in
how many of the 1,220 something is found, and how often by kind.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from statistics import median
from typing import Any
from unittest.mock import patch

from dataset_svc.domain.checks.copy import check_copies
from dataset_svc.domain.personal.places import places
from tests.bench._stage import result
from tests.bench.checks import copies_by_agent
from tests.personal_set import FILES, HELD_OUT, Score, scores
from tests.shared_data import SHARED, dialogs, messages_of

ROUNDS = 5
LOOK = "dataset_svc.domain.checks.copy.personal_findings"


def main() -> None:
    """Measure all three."""
    if not SHARED.exists():
        raise SystemExit("needs the dialogs of ../shared/data beside the checkout")
    fitted, held_out = scores(FILES), scores(HELD_OUT)
    for kind in fitted:
        print(f"{kind:9} {_told(fitted[kind])}   held out: {_told(held_out[kind])}")
    cost, each = _cost()
    print(f"{each * 1e6:.0f} µs a dialog")
    found, holding = _in_dialogs()
    print(f"in {holding} of {len(dialogs())} dialogs: {dict(found)}")
    result(
        fitted=_numbers(fitted), held_out=_numbers(held_out), cost_ratio=round(cost, 1),
        dialogs=holding, found=dict(found),
    )  # fmt: skip


def _told(score: Score) -> str:
    return f"{score.precision:.2f} {score.recall:.2f} of {score.right + score.missed:2}"


def _numbers(of: dict[str, Score]) -> dict[str, Any]:
    return {kind: [round(one.precision, 2), round(one.recall, 2)] for kind, one in of.items()}


def _cost() -> tuple[float, float]:
    """The ratio, and the seconds more a dialog."""
    groups = copies_by_agent()

    def seconds() -> float:
        gc.collect()
        started = time.process_time()
        for prompt, tools, copies in groups:
            check_copies(copies, prompt, tools)
        return time.process_time() - started

    seconds()  # loads vocabulary and metadata
    looking, not_looking = [], []
    for _ in range(ROUNDS):
        looking.append(seconds())
        with patch(LOOK, lambda *_: ()):
            not_looking.append(seconds())
    more = median(looking) - median(not_looking)
    return median(looking) / median(not_looking), more / len(dialogs())


def _in_dialogs() -> tuple[Counter[str], int]:
    found: Counter[str] = Counter()
    holding = 0
    for dialog in dialogs():
        kinds = [place.found.kind for one in messages_of(dialog) for place in places(one)]
        found.update(kinds)
        holding += bool(kinds)
    return found, holding


if __name__ == "__main__":
    main()
