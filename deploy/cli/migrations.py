"""`./dev migrations [--release]`."""

import argparse

from deploy.ctl.tables import table
from deploy.stack.migrations import all_migrations, checksum, current_problems, release, released
from deploy.stack.settings import ROOT, StackSettings


def run(_: StackSettings, arguments: argparse.Namespace) -> int:
    """List every migration with what it is; with --release record the new ones."""
    if arguments.release:
        print("".join(f"released {name}\n" for name in release()) or "nothing new\n", end="")
        return 0
    known = released()
    rows = []
    for path in all_migrations():
        name = str(path.relative_to(ROOT))
        rows.append(
            (name, "new" if name not in known else "released" if known[name] == checksum(path) else "CHANGED")
        )
    print(table(("migration", "is"), rows))
    wrong = current_problems()
    print("\n".join(wrong))
    return 1 if wrong else 0
