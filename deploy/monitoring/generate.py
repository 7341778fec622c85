"""Write the boards and the rules of service levels: `python -m deploy.monitoring.generate [--check]`."""

import json
import sys
from pathlib import Path

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.monitoring.boards import boards
from deploy.monitoring.levels import rules

FOLDER = Path(__file__).parent
CHART = FOLDER.parent / "helm" / "mortarboard" / "files"
"""A chart holds all that it installs: copies of rules and boards."""
HEADER = "# Made by deploy/monitoring/generate.py from levels.py: change it there.\n"


def files() -> dict[Path, str]:
    """What is generated, by path."""
    made = {
        FOLDER / "prometheus/rules/levels.yaml": HEADER + yaml.safe_dump(rules(), sort_keys=False, width=110)
    }
    for name, board in boards().items():
        text = JSONEncoder(sort_keys=True, indent=1).encode(board.build())
        made[FOLDER / f"grafana/boards/{name}.json"] = (
            json.dumps(json.loads(text), indent=1, sort_keys=True) + "\n"
        )
    alerts = FOLDER / "prometheus/rules/alerts.yaml"
    rules_and_boards = made | {alerts: alerts.read_text()}
    return made | {CHART / path.parent.name / path.name: text for path, text in rules_and_boards.items()}


def main() -> int:
    """Write the files, or tell which are not current; returns the exit status."""
    made = files()
    old = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    left = {*FOLDER.glob("grafana/boards/*.json"), *CHART.glob("boards/*"), *CHART.glob("rules/*")} - set(
        made
    )
    if "--check" in sys.argv[1:]:
        for path in (*old, *left):
            print(
                f"{path.relative_to(FOLDER.parent)}: not current; run `python -m deploy.monitoring.generate`"
            )
        return int(bool(old or left))
    for path in old:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path])
    for path in left:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
