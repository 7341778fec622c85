"""`./dev test mutations [NAME]`: take each protection away in a copy and run the test that must notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutations.catalogue import MUTATIONS, Mutation

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS_FAILED = 1  # pytest's exit status; any other means that the tests did not run


def main(names: list[str]) -> int:
    """Run the mutations asked for (all by default); exit status 0 when every one was noticed."""
    chosen = [mutation for mutation in MUTATIONS if not names or mutation.name in names]
    if not chosen:
        print(f"the mutations are: {', '.join(mutation.name for mutation in MUTATIONS)}", file=sys.stderr)
        return 2
    if _pytest([mutation.test for mutation in chosen], None) != 0:
        print("the tests do not pass with the protections in place", file=sys.stderr)
        return 1
    missed = [mutation.name for mutation in chosen if not _noticed(mutation)]
    print(f"{len(chosen) - len(missed)} of {len(chosen)} protections are guarded by a test", flush=True)
    return 1 if missed else 0


def _noticed(mutation: Mutation) -> bool:
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        source = ROOT / mutation.file
        package = source
        while (package.parent / "__init__.py").exists():
            package = package.parent
        copy = Path(folder) / package.name
        shutil.copytree(package, copy)
        text = source.read_text()
        if text.count(mutation.old) != 1:
            print(
                f"{mutation.name}: the text to change is not in {mutation.file} exactly once", file=sys.stderr
            )
            return False
        (copy / source.relative_to(package)).write_text(text.replace(mutation.old, mutation.new))
        noticed = _pytest([mutation.test], folder) == TESTS_FAILED
    print(f"{'noticed' if noticed else 'MISSED '}  {mutation.name}: {mutation.test}", flush=True)
    return noticed


def _pytest(tests: list[str], mutated: str | None) -> int:
    environment = dict(os.environ)
    if mutated:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (mutated, environment.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--tb=no", *tests],
        cwd=ROOT,
        env=environment,
        check=False,
        stdout=subprocess.DEVNULL if mutated else None,
        stderr=subprocess.DEVNULL if mutated else None,
    ).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
