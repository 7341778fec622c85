"""Which detectors a check ran: examples checked by earlier ones are checked again before they are frozen."""

from __future__ import annotations

from dataset_svc.domain.personal.names import names_are_found

DETECTORS = 1
"""Rises by one with every change of what is found, so that what is stored is looked through again."""


def scan_version() -> int:
    """Return the version of what this process finds; a process that also finds names is ahead."""
    return 2 * DETECTORS + names_are_found()
