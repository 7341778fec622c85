"""How right the reasons of suggestions are: `python -m tests.bench.suggestions`.

On the 1,220 real dialogs of ../shared/data: `function_failed` against their outcome (failure or success; the
unknown are left out), and how often the two rules that read words raise a false alarm in `client_messages`
in which nobody asks for a person. On `suggestions.jsonl`, messages written for this by hand, half of them in
Russian: precision and recall of those two; half `b` was not looked into while the rules were made.
`us_per_dialog`: reading the JSON and all rules, processor time.

What neither measures: rated_bad, operator_took_over and edited_in_test_chat are facts, not guesses, and
whether an owner would want to see such a dialog is nowhere labelled.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dataset_svc.domain.message import load
from dataset_svc.domain.suggestions import Said, reasons_of
from dataset_svc.domain.suggestions.human import asks_for_human
from dataset_svc.domain.suggestions.repetition import repeated
from dataset_svc.domain.weights import Ratings
from tests.bench._stage import result
from tests.shared_data import SHARED, dialogs

LABELLED = Path(__file__).with_suffix(".jsonl")


def main() -> None:
    """Measure both."""
    if not SHARED.exists():
        raise SystemExit("needs the dialogs of ../shared/data beside the checkout")
    found, seconds = _real()
    known = [one for one in found if one[0] != "unknown"]
    words = Counter(name for _, names in found for name in names if name != "function_failed")
    result(
        function_failed=_figures(
            (outcome == "failure", "function_failed" in names) for outcome, names in known
        ),
        false_alarms={name: words[name] for name in ("asked_for_human", "client_repeated")},
        client_messages=sum(one["role"] == "user" for dialog in dialogs() for one in dialog["messages"]),
        **{f"{reason}_{half}": _labelled(reason, half) for reason in _RULES for half in "ab"},
        us_per_dialog=round(seconds / len(found) * 1e6),
    )


def _real() -> tuple[list[tuple[str, set[str]]], float]:
    """Outcome and reasons of each real dialog, and the seconds that took."""
    given = [
        (one["outcome"], [{"id": f"m{place}", **said} for place, said in enumerate(one["messages"])])
        for one in dialogs()
    ]
    started = time.process_time()
    found = [
        (outcome, {one.name for one in reasons_of(Said(load(messages), Ratings({}), "live"))})
        for outcome, messages in given
    ]
    return [
        (outcome, {str(name) for name in names}) for outcome, names in found
    ], time.process_time() - started


_RULES: dict[str, Any] = {
    "asked_for_human": lambda said: asks_for_human(said[0]),
    "client_repeated": lambda said: bool(repeated(said)),
}


def _labelled(reason: str, half: str) -> dict[str, Any]:
    lines = [json.loads(line) for line in LABELLED.read_text().splitlines()]
    mine = [one for one in lines if (one["reason"], one["half"]) == (reason, half)]
    return _figures((one["holds"], _RULES[reason](one["said"])) for one in mine)


def _figures(pairs: Iterable[tuple[bool, bool]]) -> dict[str, Any]:
    """Of pairs (it is so, it was suggested): how many were suggested, how right, how many of all."""
    counts = Counter(pairs)
    right, suggested = counts[True, True], counts[True, True] + counts[False, True]
    return {
        "suggested": suggested,
        "precision": round(right / suggested, 2) if suggested else None,
        "recall": round(right / (right + counts[True, False]), 2),
    }


if __name__ == "__main__":
    main()
