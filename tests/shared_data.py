"""Where the real dialogs lie: beside the checkout, or beside the one that this worktree belongs to."""

from __future__ import annotations

import gzip
import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from dataset_svc.domain.message import Messages, load
from deploy.stack.settings import ROOT

NAME = Path("shared", "data", "sgd-dev.jsonl.gz")


def _main_checkout() -> Path:
    found = subprocess.run(
        ["git", "rev-parse", "--path-format=absolute", "--git-common-dir"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Path(found.stdout.strip() or ROOT / ".git").parent


SHARED = next(
    (place.parent / NAME for place in (ROOT, _main_checkout()) if (place.parent / NAME).exists()),
    ROOT.parent / NAME,
)


@cache
def dialogs() -> list[dict[str, Any]]:
    """The dialogs, one a line of the file."""
    return [json.loads(line) for line in gzip.open(SHARED)]


def messages_of(dialog: dict[str, Any]) -> Messages:
    """A dialog's messages as an example holds them."""
    return load([{"id": f"m{place}", **one} for place, one in enumerate(dialog["messages"])])
