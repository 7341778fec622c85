"""Boards of training runs and of what they cost."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.monitoring.boards.queries import NEWEST, quantile, rate
from deploy.monitoring.panels import board, figure, line


def days_until(moment: str, labels: str) -> str:
    """The days until a moment that a gauge names."""
    return f"({NEWEST % (labels, moment)} - time()) / 86400"


def runs() -> Dashboard:
    """Training runs and what providers say."""
    training = 'service="training-svc"'
    keys = NEWEST % ("namespace, provider, use, state", "mortarboard_keys")
    return board(
        "runs",
        "Mortarboard: training runs",
        "Where runs stand, which stand still, and how providers answer.",
        (
            "Runs",
            [
                line("by status", (NEWEST % ("status", "mortarboard_runs"), "{{status}}"), width=12),
                line(
                    "standing still",
                    (NEWEST % ("why", "mortarboard_runs_stuck"), "{{why}}"),
                    says="unattended: not looked at for 10 minutes. failing: ten turns in a row. "
                    "owner: waits for its owner.",
                    width=12,
                ),
            ],
        ),
        (
            "Providers",
            [
                line(
                    "calls/s by outcome",
                    (
                        rate("mortarboard_provider_calls_total", "provider", "outcome", where=training),
                        "{{provider}} {{outcome}}",
                    ),
                    unit="ops",
                ),
                line(
                    "p99 by operation",
                    (
                        quantile(0.99, "mortarboard_provider_seconds", "operation", where=training),
                        "{{operation}}",
                    ),
                    unit="s",
                ),
                line("keys", (f"sum by (use, state) ({keys})", "{{use}} {{state}}")),
            ],
        ),
        (
            "Ends that are known",
            [
                line(
                    "days until a provider ends training",
                    (
                        days_until("mortarboard_training_closes_timestamp_seconds", "provider"),
                        "{{provider}}",
                    ),
                    unit="d",
                ),
                line(
                    "days until a base model ends",
                    (
                        days_until(
                            "mortarboard_base_model_shutdown_timestamp_seconds", "provider, base_model"
                        ),
                        "{{base_model}}",
                    ),
                    unit="d",
                ),
                line(
                    "agents on models that end in 30 days",
                    (NEWEST % ("provider", "mortarboard_agents_on_ending_models"), "{{provider}}"),
                ),
            ],
        ),
    )


def cost() -> Dashboard:
    """What trainings cost their owners, by the prices in the catalogue."""
    return board(
        "cost",
        "Mortarboard: cost",
        "What trainings cost their owners by the catalogue's prices, where these are known.",
        (
            "In all",
            [
                figure(
                    "dollars",
                    "sum(max by (namespace, provider, base_model) (mortarboard_training_cost_dollars))",
                    "currencyUSD",
                    width=8,
                ),
                figure(
                    "trained tokens",
                    "sum(max by (namespace, provider, base_model) (mortarboard_trained_tokens))",
                    width=8,
                ),
                figure("runs ready", 'max(mortarboard_runs{status="ready"})', width=8),
            ],
        ),
        (
            "By model",
            [
                line(
                    "dollars",
                    (
                        NEWEST % ("provider, base_model", "mortarboard_training_cost_dollars"),
                        "{{provider}} {{base_model}}",
                    ),
                    unit="currencyUSD",
                    width=12,
                ),
                line(
                    "dollars a day",
                    (
                        NEWEST % ("provider, base_model", "delta(mortarboard_training_cost_dollars[1d])"),
                        "{{provider}} {{base_model}}",
                    ),
                    unit="currencyUSD",
                    width=12,
                ),
                line(
                    "trained tokens",
                    (
                        NEWEST % ("provider, base_model", "mortarboard_trained_tokens"),
                        "{{provider}} {{base_model}}",
                    ),
                    width=12,
                ),
                line(
                    "agents",
                    (NEWEST % ("provider, base_model", "mortarboard_agents"), "{{provider}} {{base_model}}"),
                    width=12,
                ),
            ],
        ),
    )
