"""What a batch says of a dialog in the end, and which states of a batch are news."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chassis.envelope import AnyReceived, Received
from chassis.inbox import rising
from contracts.datasets import DatasetChanged
from dataset_svc.domain.dialog import Candidate, Dialog

AT = datetime(2026, 1, 1, tzinfo=UTC)


def candidate(revision: int, branch: str = "", **more: Any) -> Candidate:
    return Candidate("d", revision, branch, "shop", "live", None, 2, AT, **more)


def test_the_same_revision_again_only_tells_its_newest_outcome() -> None:
    dialog = Dialog("acme", "d")
    dialog.complete(candidate(1, transcript=b"[]"))
    dialog.complete(replace(candidate(1, same_as=1), outcome="sold"))
    (kept,) = dialog.candidates.values()
    assert (kept.transcript, kept.outcome, kept.same_as) == (b"[]", "sold", None)


def test_messages_of_an_earlier_revision_are_taken_from_the_batch_or_else_from_what_is_stored() -> None:
    dialog = Dialog("acme", "d")
    dialog.complete(candidate(2, transcript=b"[2]"))
    dialog.complete(candidate(3, same_as=2))
    dialog.complete(candidate(4, same_as=1))
    dialog.complete(candidate(5, same_as=4))
    assert dialog.candidates[3, ""].transcript == b"[2]"
    assert [dialog.candidates[n, ""].same_as for n in (3, 4, 5)] == [None, 1, 1]


def test_branches_of_one_revision_are_kept_apart_and_the_last_rating_counts() -> None:
    dialog = Dialog("acme", "d")
    dialog.complete(candidate(1, transcript=b"[1]"))
    dialog.complete(candidate(2, "m5", transcript=b"[2]"))
    for rating in ("bad", "good"):
        dialog.rate("", "client", rating)
    assert set(dialog.candidates) == {(1, ""), (2, "m5")}
    assert dialog.ratings == {("", "client"): "good"}


def state(dialog: str, sequence: int) -> AnyReceived:
    event = DatasetChanged(dialog_id=dialog, example_id="01900000-0000-7000-8000-000000000000", state="saved")
    return Received(event, "acme", f"{dialog}{sequence}", "/x", AT, sequence, "")


def test_states_are_news_only_above_what_was_stored_and_what_came_before_in_the_batch() -> None:
    batch = [state("a", 3), state("a", 2), state("b", 1), state("a", 4), state("a", 4), state("b", 2)]
    kind = "dataset.changed.v1"
    last = {("acme", "dataset.changed", f"{kind}/a"): 2, ("acme", "dataset.changed", f"{kind}/b"): None}
    assert [one.id for one in rising(batch, last)] == ["a3", "b1", "a4", "b2"]
