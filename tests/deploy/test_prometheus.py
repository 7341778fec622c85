"""Rules, their tests, boards and configuration, judged by Prometheus' own tool."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.containers.tools import tool
from deploy.monitoring.generate import FOLDER
from tests.unit.test_monitoring import queries

PROMETHEUS = FOLDER / "prometheus"


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(
        [tool("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_and_configuration_are_valid(capsys: pytest.CaptureFixture[str]) -> None:
    said = promtool("check", "rules", *sorted(PROMETHEUS.glob("rules/*.yaml")))
    said += promtool("check", "config", PROMETHEUS / "prometheus.yml")
    with capsys.disabled():
        print("\n" + "\n".join(line for line in said.splitlines() if "SUCCESS" in line), flush=True)


def test_every_alert_fires_for_its_cause_and_is_silent_without() -> None:
    promtool("test", "rules", *sorted(PROMETHEUS.glob("tests/*.yaml")))


def test_every_query_of_every_board_is_promql(tmp_path: Path) -> None:
    rules: list[dict[str, Any]] = []
    for path in sorted((FOLDER / "grafana" / "boards").glob("*.json")):
        for number, query in enumerate(queries(json.loads(path.read_text()))):
            expression = query.replace("$__rate_interval", "5m")
            rules.append({"record": f"board:{path.stem.replace('-', '_')}:{number}", "expr": expression})
    assert len(rules) > 100
    file = tmp_path / "boards.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}))
    promtool("check", "rules", file)
