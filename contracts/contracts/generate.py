"""Write the JSON Schemas and AsyncAPI documents: `python -m contracts.generate [--check]`.

With --check nothing is written; the stale files are named and the exit status is 1 when there are any.
"""

import argparse
import json
import sys
from pathlib import Path

from contracts.asyncapi import SERVICES, document
from contracts.event import Event, JsonObject
from contracts.registry import EVENTS

RELEASE = "0.2.0"
ROOT = Path(__file__).resolve().parent.parent


def schema(event: type[Event]) -> JsonObject:
    """The JSON Schema of an event's body."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:mortarboard:event:{event.TYPE}",
    } | event.model_json_schema()


def render(root: Path = ROOT) -> dict[Path, str]:
    """Every generated file, by path relative to `root`, with its text."""
    files = {Path("schemas") / f"{name}.json": _json(schema(event)) for name, event in EVENTS.items()}
    examples = root / "examples" / f"v{RELEASE}"
    for service in SERVICES:
        files[Path("asyncapi") / f"{service}.yaml"] = _yaml(document(service, RELEASE, examples))
    return files


def stale(files: dict[Path, str], root: Path = ROOT) -> list[Path]:
    """The files that are missing, differ, or are no longer generated."""
    present = {path.relative_to(root) for path in (*root.glob("schemas/*"), *root.glob("asyncapi/*"))}
    changed = {path for path, text in files.items() if path not in present or _read(root / path) != text}
    return sorted(changed | (present - files.keys()))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def write(files: dict[Path, str], root: Path = ROOT) -> None:
    """Make the folders hold exactly these files."""
    for path in stale(files, root):
        target = root / path
        if path in files:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(files[path], encoding="utf-8")
        else:
            target.unlink()


def _json(value: JsonObject) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _yaml(value: JsonObject) -> str:
    import yaml  # of the development tools: services don't carry it for this

    class Plain(yaml.SafeDumper):
        """No anchors: readers of the document should not have to follow them."""

        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
            """Never an alias."""
            return True

    return str(yaml.dump(value, Dumper=Plain, sort_keys=False, allow_unicode=True, width=110))


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Write or check; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m contracts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which files are stale")
    arguments = parser.parse_args(argv)
    files = render(root)
    if not arguments.check:
        write(files, root)
        return 0
    outdated = stale(files, root)
    for path in outdated:
        print(f"stale: contracts/{path}", file=sys.stderr)  # noqa: T201
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main())
