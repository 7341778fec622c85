"""The board of the chat gateway."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.monitoring.boards.queries import NEWEST, quantile, rate
from deploy.monitoring.levels import GATEWAY
from deploy.monitoring.panels import board, line


def gateway() -> Dashboard:
    """The chat gateway."""
    route = f'route="{GATEWAY}"'
    chat = 'operation="chat"'
    return board(
        "gateway",
        "Mortarboard: gateway",
        "Chat requests through agent-svc: who answered, how soon, and what providers refused.",
        (
            "Requests",
            [
                line(
                    "requests/s",
                    (rate("mortarboard_http_seconds_count", "status", where=route), "{{status}}"),
                    unit="reqps",
                ),
                line(
                    "whole answer",
                    (quantile(0.5, "mortarboard_http_seconds", where=route), "p50"),
                    (quantile(0.99, "mortarboard_http_seconds", where=route), "p99"),
                    unit="s",
                ),
                line(
                    "who answered",
                    (rate("mortarboard_gateway_answers_total", "by"), "{{by}}"),
                    unit="reqps",
                    stacked=True,
                ),
            ],
        ),
        (
            "Providers",
            [
                line(
                    "not answered/s",
                    (
                        rate("mortarboard_gateway_unanswered_total", "provider", "reason"),
                        "{{provider}} {{reason}}",
                    ),
                    unit="reqps",
                    says="By what was in the way; where only a key was (key_refused), its owner mends it.",
                    width=12,
                ),
                line(
                    "until the first byte, p99",
                    (quantile(0.99, "mortarboard_provider_seconds", "provider", where=chat), "{{provider}}"),
                    unit="s",
                    width=12,
                ),
                line(
                    "refusals/s",
                    (
                        rate(
                            "mortarboard_provider_calls_total",
                            "provider",
                            "outcome",
                            where=f'{chat},outcome!="ok"',
                        ),
                        "{{provider}} {{outcome}}",
                    ),
                    unit="ops",
                    width=12,
                ),
                line(
                    "models that are out",
                    (NEWEST % ("provider", "mortarboard_outages"), "{{provider}}"),
                    width=12,
                ),
            ],
        ),
    )
