"""The owner's way: what is done, what comes next; and where the activity leads to."""

from __future__ import annotations

import pytest

from console_svc.domain.way import Known, way
from console_svc.inbound.activity import address

STEPS = ["key", "dialogs", "dataset", "training", "service"]


@pytest.mark.parametrize(
    ("known", "states"),
    [
        (Known(), "now later later later later"),
        (Known(key="no"), "stuck later later later later"),
        (Known(key="unverified"), "done now later later later"),
        (Known(key="yes", saved=9), "done done now later later"),
        (Known(key="yes", saved=10), "done done done now later"),
        (Known(key="yes", saved=1, needed=1), "done done done now later"),
        (Known(key="yes", saved=10, run="failed"), "done done done stuck later"),
        (Known(key="yes", saved=10, run="failed", ready=True), "done done done done now"),
        (Known(key="yes", saved=12, run="ready", ready=True, serves=True), "done done done done done"),
        (Known(key="", saved=12, ready=True, serves=True), "now done done done done"),
    ],
)
def test_the_first_step_that_is_not_done_is_the_next_one(known: Known, states: str) -> None:
    assert list(way(known)) == STEPS
    assert list(way(known).values()) == states.split()


@pytest.mark.parametrize(
    ("action", "leads_to"),
    [
        ("dialog.rated", "/dialogs/a%2Fb"),
        ("example.saved", "/examples/a%2Fb"),
        ("examples.save", ""),
        ("model_activated", "/agents/a%2Fb"),
        ("model_registered", ""),
        ("run_pause_asked", "/lineage/run/a%2Fb"),
        ("signed_in", ""),
    ],
)
def test_activity_leads_to_what_something_was_done_to(action: str, leads_to: str) -> None:
    assert address({"action": action, "object_id": "a/b"}) == leads_to
