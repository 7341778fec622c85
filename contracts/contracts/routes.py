"""Which of a route's targets a dialog goes to: sticky per dialog, the same in every implementation."""

from collections.abc import Sequence
from hashlib import sha256
from itertools import accumulate


def point(agent_id: str, dialog_id: str) -> float:
    """Where a dialog lies in 0..1: the first 8 bytes of sha256(`agent_id|dialog_id`) over 2^64."""
    digest = sha256(f"{agent_id}|{dialog_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def choose(agent_id: str, dialog_id: str, shares: Sequence[float]) -> int:
    """The index of the target that serves the dialog; `shares` sum to 1, the last takes what is left."""
    if not shares:
        raise ValueError("a route needs at least one target")
    at = point(agent_id, dialog_id)
    for index, upto in enumerate(accumulate(shares)):
        if at < upto:
            return index
    return len(shares) - 1
