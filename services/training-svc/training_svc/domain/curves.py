"""A run's curves: figures by step, from its diary and from its result file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping

from training_svc.domain.job import JobEvent

NAMES = {
    "train_loss": "train_loss",
    "train_accuracy": "train_accuracy",
    "train_mean_token_accuracy": "train_accuracy",
    "valid_loss": "valid_loss",
    "valid_accuracy": "valid_accuracy",
    "valid_mean_token_accuracy": "valid_accuracy",
    "full_valid_loss": "full_valid_loss",
    "full_valid_mean_token_accuracy": "full_valid_accuracy",
}
MOST_STEPS = 100_000
Curves = Mapping[int, dict[str, float]]


def figures_of(diary: Iterable[JobEvent]) -> Curves:
    """Return the figures of the steps that lines of a diary tell."""
    found: dict[int, dict[str, float]] = {}
    for line in diary:
        step = line.data.get("step")
        if line.code == "step_done" and isinstance(step, int) and not isinstance(step, bool) and step > 0:
            figures = {NAMES[name]: float(value) for name, value in line.data.items() if name in NAMES}
            found[step] = {name: value for name, value in figures.items() if math.isfinite(value)}
    return found


def read_results(content: bytes) -> Curves:
    """Return the figures of a result file: CSV with a heading; blanks and odd lines are passed over."""
    found: dict[int, dict[str, float]] = {}
    rows = csv.DictReader(io.StringIO(content.decode("utf-8", errors="replace").replace("\x00", "")))
    for row in rows:
        step = _figure(row.get("step"))
        if step is None or step < 1 or step != int(step):
            continue
        figures = {ours: _figure(row.get(name)) for name, ours in NAMES.items() if row.get(name)}
        found[int(step)] = {name: value for name, value in figures.items() if value is not None}
        if len(found) >= MOST_STEPS:
            break
    return found


def _figure(text: object) -> float | None:
    try:
        value = float(text) if isinstance(text, str) else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def merged(first: Curves, second: Curves) -> Curves:
    """Return the figures of both; where both have one, the second counts."""
    steps = {**first, **second}
    return {step: {**first.get(step, {}), **second.get(step, {})} for step in steps}
