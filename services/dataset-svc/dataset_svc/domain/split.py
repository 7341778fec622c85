"""Which examples validate: a share of the dialogs, decided by a hash, so that it stays as it was shown.

A dialog's branches stay on one side. Examples that are the same in every word train, and so do the
other branches of their dialogs: what is validated was never trained.
"""

from __future__ import annotations

import hashlib

FEWEST = 50
"""Below so many examples nothing is held back by default."""
DEFAULT_SHARE = 0.1
MOST = 0.5


def split_hash(dialog: str) -> bytes:
    """Return the 8 bytes that place a dialog (or an example without one) between 0 and 2^64."""
    return hashlib.sha256(dialog.encode()).digest()[:8]


def threshold(share: float) -> bytes:
    """Return the 8 bytes below which a dialog validates."""
    return min(int(share * 2**64), 2**64 - 1).to_bytes(8, "big")


def default_share(examples: int) -> float:
    """Return the share that validates when the owner does not choose."""
    return 0.0 if examples < FEWEST else DEFAULT_SHARE
