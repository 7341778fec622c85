"""Metrics, boards, rules and runbooks name the same things."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.monitoring.generate import FOLDER
from deploy.stack.services import ALL
from deploy.stack.settings import ROOT

RULES, TESTS = FOLDER / "prometheus" / "rules", FOLDER / "prometheus" / "tests"
RUNBOOKS = ROOT / "docs" / "runbooks"
SECTIONS = ("## What it means", "## How to look", "## How to repair")
NAME = re.compile(r"\bmortarboard_[a-z_]+")
SUFFIX = re.compile(r"_(bucket|count|sum)$")
ROW = re.compile(r"^\| `(mortarboard_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)

REGISTERED = """
import json, {packages}
from prometheus_client import REGISTRY, Counter, Gauge, Histogram, Info
found = {{}}
for one in set(REGISTRY._collector_to_names):
    if isinstance(one, (Counter, Gauge, Histogram, Info)) and one._name.startswith("mortarboard"):
        kind = {{"info": "gauge"}}.get(one._type, one._type)
        name = one._name + {{"counter": "_total", "info": "_info"}}.get(one._type, "")
        found[name] = [kind, list(one._labelnames)]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def registered() -> dict[str, Any]:
    """Every metric of every service, asked in a process of its own: {name: [kind, labels]}."""
    code = REGISTERED.format(packages=", ".join(f"{one.package}.app" for one in ALL))
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(json.loads(said.stdout.splitlines()[-1]))


def test_the_page_lists_every_metric_with_its_kind_and_labels(registered: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    told = {
        name: [kind, [label.strip() for label in labels.split(",") if label.strip()]]
        for name, kind, labels in ROW.findall(page)
    }
    told["mortarboard_build_info"][1] = []  # its label is what it says
    assert told == registered


def queries(board: Any) -> Iterator[str]:
    if isinstance(board, dict):
        if "expr" in board:
            yield board["expr"]
        for value in board.values():
            yield from queries(value)
    elif isinstance(board, list):
        for value in board:
            yield from queries(value)


def test_boards_and_rules_ask_for_metrics_that_exist(registered: dict[str, Any]) -> None:
    texts = {path.name: path.read_text() for path in RULES.glob("*.yaml")}
    for path in (FOLDER / "grafana" / "boards").glob("*.json"):
        texts[path.name] = "\n".join(queries(json.loads(path.read_text())))
        assert texts[path.name], path.name
    for place, text in texts.items():
        asked = {name if name in registered else SUFFIX.sub("", name) for name in NAME.findall(text)}
        assert asked <= set(registered), (place, asked - set(registered))


SELECTOR = re.compile(r"(?:mortarboard_\w+|process_\w+|slo:[\w:]+|\bup\b)(\{[^}]*\})?")


def test_every_board_asks_for_the_chosen_namespaces_only() -> None:
    """And begins with all, which also matches series without the label, as in compose."""
    asked = 0
    for path in (FOLDER / "grafana" / "boards").glob("*.json"):
        board = json.loads(path.read_text())
        (chosen,) = [one for one in board["templating"]["list"] if one["name"] == "namespace"]
        assert (chosen["includeAll"], chosen["allValue"]) == (True, ".*"), path.name
        assert chosen["current"]["value"] == ["$__all"], path.name
        for query in queries(board):
            found = SELECTOR.findall(query)
            assert found, query
            assert all(one.startswith('{namespace=~"$namespace"') for one in found), query
            asked += len(found)
    assert asked > 100


def test_what_boards_add_up_is_of_each_namespace_by_itself() -> None:
    """Processes of one installation count the same things; those of two count their own."""
    added = [
        (path.name, labels)
        for path in (FOLDER / "grafana" / "boards").glob("*.json")
        for query in queries(json.loads(path.read_text()))
        for labels in re.findall(r"\bsum(?: by \([^)]*\))? ?\(max by \(([^)]*)\)", query)
    ]
    assert len(added) > 5
    assert [one for one in added if not one[1].startswith("namespace, ")] == []


def test_every_alert_says_whose_it_is_and_counts_each_namespace_by_itself() -> None:
    for rule in _alerts():
        assert rule["annotations"]["summary"].startswith("{{ with $labels.namespace }}{{ . }}: {{ end }}")
        by = re.findall(r"\b(?:sum|min|max|count) by \(([^)]*)\)", rule["expr"])
        assert all(labels.startswith("namespace") for labels in by), rule["alert"]
        assert not re.findall(r"\b(?:sum|min|max|avg|count) ?\(", rule["expr"]), rule["alert"]


ASKED = re.compile(
    r"(?:(\w+)(?: by \(([\w, ]*)\) | ?)\()?(?:(?:delta|max_over_time)\()?(mortarboard_\w+)(?:\{([^}]*)\})?"
)


def test_what_every_process_counts_is_never_added_up_over_processes(registered: dict[str, Any]) -> None:
    """The largest of each set of labels: a sum would grow with the pods, a largest over labels hides some."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    counted = {
        name: set(registered[name][1]) for name in re.findall(r"`(mortarboard_\w+)`.*\*counted\*", page)
    }
    counted["mortarboard_consumer_lag"] = {"topic", "partition", "service"}
    assert len(counted) > 5
    texts = [rule["expr"] for rule in _alerts()]
    for path in (FOLDER / "grafana" / "boards").glob("*.json"):
        texts += queries(json.loads(path.read_text()))
    seen = set()
    for text in texts:
        for how, labels, name, chosen in ASKED.findall(text):
            if name not in counted:
                continue
            told = {label.strip() for label in labels.split(",")} | set(re.findall(r'(\w+)="', chosen))
            assert how == "max", text
            assert counted[name] <= told, text
            seen.add(name)
    assert seen == set(counted)


def _alerts() -> list[dict[str, Any]]:
    groups = [group for path in RULES.glob("*.yaml") for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_every_alert_has_a_runbook_with_three_parts_and_a_test_that_makes_it_fire() -> None:
    tested = {
        one["alertname"]
        for path in TESTS.glob("*.yaml")
        for case in yaml.safe_load(path.read_text())["tests"]
        for one in case["alert_rule_test"]
        if one.get("exp_alerts")
    }
    pages = set()
    for alert in _alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}
        place = alert["annotations"]["runbook_url"].removeprefix("docs/runbooks/")
        levels = ("intake", "hop", "http", "gateway") if "$labels.slo" in place else ("",)
        for level in levels:
            path = RUNBOOKS / place.replace("{{ $labels.slo }}", level)
            text = path.read_text()
            assert alert["alert"] in text.splitlines()[0], path
            assert [line for line in text.splitlines() if line in SECTIONS] == list(SECTIONS), path
            pages.add(path.name)
        assert alert["alert"] in tested, alert["alert"]
    others = (
        {path.name for path in RUNBOOKS.glob("*.md")} - pages - {"README.md", "restore.md", "lost-topic.md"}
    )
    assert others == set()
