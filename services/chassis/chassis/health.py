"""Health that tells the truth: heartbeats of the loops, and what a request needs to be served."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

STALE_AFTER = 60.0
NOT_ALLOWED = (
    TopicAuthorizationFailedError,
    GroupAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)


class Health:
    """What the probes answer.

    Alive is red only for what a restart cures: a loop without a heartbeat, a wedged producer.
    Ready is red when a request could not be served: no Postgres, or not yet caught up. What else is missing
    is named without turning it red, but for a stranger that never let this process in: a deployment with a
    wrong password or certificate should stop there, and a running one should not when a password expires.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beats: dict[str, tuple[float, float]] = {}
        self._wedged: dict[str, str] = {}
        self._not_ready: set[str] = set()
        self._let_in: set[str] = set()
        self._missing: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._checks: dict[str, Callable[[], Awaitable[None]]] = {}

    def beat(self, loop: str, stale_after: float = STALE_AFTER) -> None:
        """Note that `loop` goes round; it is dead when the next beat takes longer than `stale_after` s."""
        self._beats[loop] = (self._clock(), stale_after)

    def forget(self, loop: str) -> None:
        """Note that `loop` ended in good order."""
        self._beats.pop(loop, None)
        self._not_ready.discard(loop)

    def wedged(self, part: str, why: str = "") -> None:
        """Note that only a restart helps `part`; an empty reason takes it back."""
        if why:
            self._wedged[part] = why
        else:
            self._wedged.pop(part, None)

    def waits_for(self, part: str) -> None:
        """Stay not ready until `part` reports."""
        self._not_ready.add(part)

    def is_ready(self, part: str) -> None:
        """Note that `part` can do its work now."""
        self._not_ready.discard(part)

    def check(self, name: str, probe: Callable[[], Awaitable[None]]) -> None:
        """Ask `probe` at each readiness question; it raises when a request could not be served."""
        self._checks[name] = probe

    def reached(self, server: str) -> None:
        """Note that `server` let this process in."""
        self._let_in.add(server)
        self._missing.pop(server, None)
        self._refused.pop(server, None)

    def missed(self, server: str, why: str, *, refused: bool) -> None:
        """Note that `server` gives no answer, or refuses this process."""
        self._missing[server] = why
        if refused and server not in self._let_in:
            self._refused[server] = why
        else:
            self._refused.pop(server, None)

    def interrupted(self, loop: str, error: BaseException) -> None:
        """Note why a loop cannot go on, when that is a right that this process lacks on the broker."""
        if isinstance(error, NOT_ALLOWED):
            why = f"{type(error).__name__}: this Kafka user lacks a right, see deploy/topics/access.yaml"
            self.missed(loop, why, refused=True)

    def missing(self) -> dict[str, str]:
        """Return what this process would like to reach and cannot, by server; empty is good."""
        return dict(self._missing)

    def alive(self) -> dict[str, str]:
        """Return what only a restart cures, by part; empty is good."""
        now = self._clock()
        stale = {
            loop: f"no heartbeat for {now - at:.0f} s"
            for loop, (at, limit) in self._beats.items()
            if now - at > limit
        }
        return stale | self._wedged

    async def ready(self) -> dict[str, str]:
        """Return why no request should come here now, by part; empty is good."""
        reasons = dict.fromkeys(sorted(self._not_ready), "starting") | self._refused
        for name, probe in self._checks.items():
            try:
                await probe()
            except Exception as error:
                reasons[name] = type(error).__name__
        return reasons
