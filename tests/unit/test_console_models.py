"""Runs and models in one list, what serves, curves thinned to a picture, lineage in layers."""

from __future__ import annotations

from typing import Any

import pytest

from console_svc.domain.curves import LOSS, MOST, chart
from console_svc.domain.lineage_view import layers
from console_svc.domain.models_view import is_fallback, row_of, rows, share_of, switch_of


def run(name: str, at: str, status: str = "ready", **more: Any) -> Any:
    return {"run_id": name, "created_at": at, "status": status, "progress": None, **more}


def model(name: str, at: str, kind: str = "final") -> Any:
    run_id = None if kind == "registered" else name.partition("-")[0]
    named = {"model": f"ft:{name}", "provider": "openai"}
    return {"model_id": name, "run_id": run_id, "kind": kind, "created_at": at, **named}


def target(name: str, share: float) -> Any:
    return {"model": f"ft:{name}", "provider": "openai", "share": share}


def test_the_list_is_newest_first_and_pages_lose_and_repeat_nothing() -> None:
    runs = [run("r3", "2026-01-05"), run("r2", "2026-01-03"), run("r1", "2026-01-01")]
    models = [
        model("r2", "2026-01-04"), model("r2-5", "2026-01-04", "checkpoint"),
        model("own", "2026-01-02", "registered"), model("new", "2026-01-06", "registered"),
    ]  # fmt: skip
    whole = [one.id for one in rows(runs, models, None)]
    assert whole == ["new", "r3", "r2", "own", "r1"]
    first = [one.id for one in rows(runs[:2], models, None) if one.made_at >= "2026-01-03"]
    second = [one.id for one in rows(runs[2:], models, None, before="2026-01-03")]
    assert first + second == whole


def test_what_serves_is_what_the_route_says() -> None:
    route = {
        "effective": {"targets": [target("a", 0.3), target("b", 0.7)]},
        "desired": {"targets": [target("a", 1.0)], "fallback": target("c", 1.0)},
    }
    assert [share_of(model(name, ""), route) for name in "abc"] == [0.3, 0.7, 0.0]
    assert [is_fallback(model(name, ""), route) for name in "ac"] == [False, True]
    base = {"effective": None, "desired": None}
    assert (share_of(model("a", ""), base), share_of(None, None), is_fallback(None, base)) == (
        0.0,
        0.0,
        False,
    )


@pytest.mark.parametrize(
    ("progress", "percent"),
    [(None, None), ({"step": 5, "total_steps": None}, None), ({"step": 5, "total_steps": 20}, 25),
     ({"step": 30, "total_steps": 20}, 100)],
)  # fmt: skip
def test_progress_is_told_when_it_is_known(progress: Any, percent: int | None) -> None:
    going = row_of(run("r", "", "training", progress=progress), None, None)
    assert (going.percent, going.has_ended) == (percent, False)
    assert row_of(None, model("own", "", "registered"), None).has_ended


def test_a_switch_is_under_way_until_the_history_knows_it() -> None:
    history: list[dict[str, Any]] = [
        {"activation_id": "b", "reason": "rejected", "why": "route_changed"},
        {"activation_id": "a", "reason": "activated", "why": "owner"},
        {"activation_id": None, "reason": "failed_over", "why": ""},
    ]
    assert [switch_of(one, history).state for one in "abc"] == ["done", "rejected", "switching"]


def test_a_chart_has_the_figures_that_were_measured_and_room_for_no_more() -> None:
    items: list[dict[str, Any]] = [{"step": step, "train_loss": 2.0 - step / 1000} for step in range(1, 1001)]
    for rare in (100, 333, 777):
        items[rare]["full_valid_loss"] = 1.5
    found = chart(items, LOSS)
    assert found is not None
    assert [line.name for line in found.lines] == ["train_loss", "full_valid_loss"]
    assert len(found.steps) <= MOST + 4
    assert (found.steps[0], found.steps[-1]) == (1, 1000)
    assert found.lines[1].values.count(1.5) == 3
    assert (found.lines[0].first, found.lines[0].last) == (1.999, 1.0)
    told = found.told()
    assert (told[0][0], told[-1][0], len(told)) == (1, 1000, 8)
    assert chart([{"step": 1, "train_accuracy": 0.5}], LOSS) is None
    single = chart([{"step": 1, "train_loss": 0.5}], LOSS)
    assert single is not None
    assert single.told() == [(1, (0.5,))]


def test_lineage_has_six_layers_around_the_one_in_the_midst() -> None:
    pinned = [
        {"id": "e1", "dialog_id": "a/b", "erased": False},
        {"id": "e2", "dialog_id": None, "erased": True},
    ]
    listed = {"count": 9, "items": pinned, "next_cursor": "c"}
    found = {
        "kind": "version", "id": "d:3", "facts": {"version": 3, "state": "ready"},
        "from": {"models": {"count": 0, "items": []}, "examples": listed},
        "to": {
            "models": {"count": 1, "items": [{"id": "ft:x"}]},
            "runs": {"count": 1, "items": [{"id": "r", "base_model": "mini", "status": None}]},
            "activations": {"count": 1, "items": [{"id": "a", "route_version": 2, "serves_now": True}]},
        },
    }  # fmt: skip
    dialogs, examples, versions, runs, models, activations = layers(found)
    assert [one.address for one in dialogs.nodes] == ["/lineage/dialog/a%2Fb"]
    assert (examples.count, examples.cursor) == (9, "c")
    assert [one.is_gone for one in examples.nodes] == [False, True]
    assert [(one.note, one.is_here, one.state) for one in versions.nodes] == [("3", True, "ready")]
    assert [(one.note, one.state) for one in runs.nodes] == [("mini", "")]
    assert models.nodes[0].id == "ft:x"
    assert activations.nodes[0].state == "serves"
