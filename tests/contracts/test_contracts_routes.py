"""The share function: its published vectors, its stickiness, its proportions."""

import json
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest

from contracts.generate import ROOT
from contracts.routes import choose, point

VECTORS: list[dict[str, Any]] = json.loads((ROOT / "examples" / "share_vectors.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['point_hex']}-{len(v['shares'])}")
def test_a_vector_of_the_contract_holds(vector: dict[str, Any]) -> None:
    agent, dialog = vector["agent_id"], vector["dialog_id"]
    assert point(agent, dialog) == float(Fraction(int(vector["point_hex"], 16), 2**64))
    assert choose(agent, dialog, vector["shares"]) == vector["index"]


def test_the_vectors_reach_every_target_of_every_split() -> None:
    reached = {(tuple(vector["shares"]), vector["index"]) for vector in VECTORS}
    assert reached == {(shares, at) for shares, _ in reached for at in range(len(shares))}


def test_dialogs_spread_by_share() -> None:
    counts = Counter(choose("agent", f"dialog-{n}", [0.7, 0.2, 0.1]) for n in range(20_000))
    for index, share in enumerate([0.7, 0.2, 0.1]):
        assert abs(counts[index] / 20_000 - share) < 0.02


def test_a_greater_share_only_takes_dialogs_over() -> None:
    """Dialogs that the first target served stay with it when its share grows."""
    dialogs = [f"d-{n}" for n in range(2_000)]
    before = {dialog for dialog in dialogs if choose("a", dialog, [0.1, 0.9]) == 0}
    after = {dialog for dialog in dialogs if choose("a", dialog, [0.5, 0.5]) == 0}
    assert before < after


def test_what_rounding_leaves_goes_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.routes.point", lambda *_: 1.0)
    assert choose("a", "d", [0.1] * 10) == 9


def test_a_route_without_targets_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one target"):
        choose("a", "d", [])
