"""Service levels: what is promised, and the rules by which Prometheus sees a promise being broken.

Each objective has an error budget over 30 days. An alert looks at two windows at once: the long one says
that it matters, the short one that it still goes on. The long one must have at least ten bad ones: where
little happens, one alone would be a large share.
"""

from dataclasses import dataclass
from typing import Any

GATEWAY = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Level:
    """A promise: at least `objective` per cent are good; `bad` and `total` are rates of what is counted."""

    name: str
    says: str
    objective: float
    bad: str
    total: str

    def errors(self, window: str) -> str:
        """The share that was bad in a window, as PromQL."""
        return f"({self.bad}) / ({self.total})".replace("WINDOW", window)

    def count(self, window: str) -> str:
        """How many were bad in a window, as PromQL."""
        return self.bad.replace("rate(", "increase(").replace("WINDOW", window)


def _slow(topics: str, seconds: str = "1.0") -> tuple[str, str]:
    rates = "sum by (namespace) (rate(mortarboard_hop_seconds_%s{topic%s}[WINDOW]))"
    total = rates % ("count", topics)
    quick = rates % ("bucket", f'{topics},le="{seconds}"')
    return f"{total} - {quick}", total


def _unanswered() -> tuple[str, str]:
    """Chat requests; one that failed for its owner's key is his to mend, and counts on neither side."""
    bad, total = _failed(f'="{GATEWAY}"')
    owners = 'sum by (namespace) (rate(mortarboard_gateway_unanswered_total{reason="key_refused"}[WINDOW]))'
    # where no key was ever refused, there is nothing to take away
    return f"({bad} - {owners}) or {bad}", f"({total} - {owners}) or {total}"


def _failed(routes: str) -> tuple[str, str]:
    total = "sum by (namespace) (rate(mortarboard_http_seconds_count{%s}[WINDOW]))"
    return total % f'route{routes},status=~"5.."', total % f"route{routes}"


LEVELS = (
    Level(
        "intake",
        "99 % of batches of chat events are committed within a second of the broker's taking them",
        99.0,
        *_slow('="chat.events"'),
    ),
    Level(
        "hop",
        "99 % of batches of all other events take effect within a second of being written",
        99.0,
        *_slow('!="chat.events"'),
    ),
    Level(
        "http",
        "99.9 % of API requests are answered without an error of ours",
        99.9,
        *_failed(f'!="{GATEWAY}"'),
    ),
    Level(
        "gateway",
        "99.5 % of chat requests are answered, but for those whose owner's key the provider refused",
        99.5,
        *_unanswered(),
    ),
)
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
FAST = ((14.4, "1h", "5m"), (6.0, "6h", "30m"))
SLOW = ((3.0, "1d", "2h"), (1.0, "3d", "6h"))
LEAST = 10
WHOSE = "{{ with $labels.namespace }}{{ . }}: {{ end }}"
"""Where there are namespaces, an alert begins with its own."""


def rules() -> dict[str, Any]:
    """The rule file: what is recorded of each level, and the two alerts for all of them."""
    recorded: list[dict[str, Any]] = []
    for level in LEVELS:
        budget = f"vector({round(1 - level.objective / 100, 6)})"
        recorded.append({"record": "slo:error_budget", "expr": budget, "labels": {"slo": level.name}})
        recorded += [
            {
                "record": f"slo:error_ratio:{window}",
                "expr": level.errors(window),
                "labels": {"slo": level.name},
            }
            for window in WINDOWS
        ]
        recorded += [
            {"record": f"slo:errors:{long}", "expr": level.count(long), "labels": {"slo": level.name}}
            for _, long, _ in (*FAST, *SLOW)
        ]
    alerts = [
        _alert("BudgetBurnsFast", FAST, "page", "2m", "the error budget of 30 days is gone within days"),
        _alert("BudgetBurnsSlowly", SLOW, "ticket", "15m", "the error budget of 30 days does not last"),
    ]
    return {
        "groups": [
            {"name": "mortarboard-levels", "interval": "30s", "rules": recorded},
            {"name": "mortarboard-budgets", "rules": alerts},
        ]
    }


def _alert(
    name: str, pairs: tuple[tuple[float, str, str], ...], severity: str, held: str, says: str
) -> dict[str, Any]:
    either = (
        f"(slo:error_ratio:{long} > on (slo) group_left () {factor} * slo:error_budget"
        f" and slo:error_ratio:{short} > on (slo) group_left () {factor} * slo:error_budget"
        f" and slo:errors:{long} >= {LEAST})"
        for factor, long, short in pairs
    )
    return {
        "alert": name,
        "expr": "\nor\n".join(either),
        "for": held,
        "labels": {"severity": severity},
        "annotations": {
            "summary": f"{WHOSE}{{{{ $labels.slo }}}}: {says}",
            "runbook_url": "docs/runbooks/{{ $labels.slo }}-level.md",
        },
    }
