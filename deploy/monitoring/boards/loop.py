"""The board that somebody on call looks at first."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.monitoring.boards.queries import NEWEST, quantile, rate
from deploy.monitoring.levels import LEVELS
from deploy.monitoring.panels import board, figure, line


def loop() -> Dashboard:
    """What somebody on call looks at first."""
    return board(
        "loop",
        "Mortarboard: the loop",
        "From live dialogs to a model in service, and whether the promises are kept.",
        (
            "Promises",
            [
                figure(
                    level.name,
                    f'slo:error_ratio:1h{{slo="{level.name}"}}',
                    "percentunit",
                    f"Share of the last hour that broke this: {level.says}.",
                    round(1 - level.objective / 100, 6),
                    6,
                )
                for level in LEVELS
            ],
        ),
        (
            "Is anything wrong",
            [
                figure("processes down", 'sum(up{job=~"mortarboard.*"} == bool 0)', bad=1),
                figure("dead letters, 1 h", "sum(increase(mortarboard_dead_letters_total[1h]))", bad=1),
                figure("oldest in an outbox", "max(mortarboard_outbox_oldest_seconds)", "s", bad=60),
                figure(
                    "records behind",
                    "sum(max by (namespace, service, topic, partition) (mortarboard_consumer_lag))",
                    bad=100_000,
                ),
                figure(
                    "stuck runs", 'sum(max by (namespace, why) (mortarboard_runs_stuck{why!="owner"}))', bad=1
                ),
                figure(
                    "models that are out", "sum(max by (namespace, provider) (mortarboard_outages))", bad=1
                ),
            ],
        ),
        (
            "The way of an event",
            [
                line(
                    "taken, records/s", (rate("mortarboard_consumed_total", "topic"), "{{topic}}"), unit="ops"
                ),
                line(
                    "published, events/s",
                    (rate("mortarboard_published_total", "topic"), "{{topic}}"),
                    unit="ops",
                ),
                line(
                    "hop, p99",
                    (quantile(0.99, "mortarboard_hop_seconds", "topic"), "{{topic}}"),
                    unit="s",
                    says="From an event being written to its effect being committed, oldest of each batch.",
                ),
            ],
        ),
        (
            "What comes of it",
            [
                line("runs", (NEWEST % ("status", "mortarboard_runs"), "{{status}}")),
                line("answers by", (rate("mortarboard_gateway_answers_total", "by"), "{{by}}"), unit="reqps"),
                line(
                    "provider calls",
                    (rate("mortarboard_provider_calls_total", "outcome"), "{{outcome}}"),
                    unit="ops",
                ),
            ],
        ),
    )
