"""Write topics.yaml and access.yaml, here and into the Helm chart: `python -m deploy.topics [--check]`.

With --check nothing is written; the stale files are named and the exit status is 1 when there are any.
"""

import argparse
import sys
from pathlib import Path

import yaml

from contracts.access import access
from contracts.topics import TOPICS, dead_letter_topics

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (Path("deploy/topics"), Path("deploy/helm/mortarboard/files"))
HEAD = "# Generated from contracts by `python -m deploy.topics`; names are without any prefix.\n"


def topics() -> str:
    """Every topic as a broker is to have it, those of dead letters last."""
    declared = (*TOPICS.values(), *dead_letter_topics().values())
    lines = (
        _line(name=one.name, partitions=one.partitions, owner=one.owner, config=one.config())
        for one in declared
    )
    return "topics:\n" + "".join(f"  - {line}\n" for line in lines)


def principals() -> str:
    """Every principal with its rights."""
    text = "principals:\n"
    for name, rights in access().items():
        text += f"  - name: {name}\n    acls:\n"
        for right in rights:
            line = _line(
                resource=right.resource,
                name=right.name,
                pattern=right.pattern,
                operations=list(right.operations),
            )
            text += f"      - {line}\n"
    return text


def render() -> dict[Path, str]:
    """Every generated file, by path in the repository, with its text."""
    texts = {"topics.yaml": HEAD + topics(), "access.yaml": HEAD + principals()}
    return {folder / name: text for folder in FOLDERS for name, text in texts.items()}


def stale(root: Path = ROOT) -> list[Path]:
    """The files that are missing or differ."""
    return [
        path
        for path, text in render().items()
        if not (root / path).exists() or (root / path).read_text(encoding="utf-8") != text
    ]


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.topics", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which files are stale")
    check = parser.parse_args(argv).check
    outdated = stale(root)
    for path in outdated:
        if check:
            print(f"stale: {path}", file=sys.stderr)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(render()[path], encoding="utf-8")
    return 1 if check and outdated else 0


def _line(**value: object) -> str:
    return str(yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)).strip()


if __name__ == "__main__":
    sys.exit(main())
