"""Boards of topics, outboxes and inboxes."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.monitoring.boards.queries import quantile, rate
from deploy.monitoring.panels import board, line

LAG = "max by (namespace, service, topic, partition) (mortarboard_consumer_lag)"


def kafka() -> Dashboard:
    """Topics as the services see them; the broker's own figures come from its exporter."""
    return board(
        "kafka",
        "Mortarboard: Kafka",
        "Topics as the services see them. A broker's disks and replicas are its exporter's matter.",
        (
            "Reading",
            [
                line(
                    "records behind",
                    (
                        f"sum by (service, topic) ({LAG})",
                        "{{service}} {{topic}}",
                    ),
                    width=12,
                ),
                line(
                    "partitions furthest behind",
                    (
                        f"topk(10, {LAG})",
                        "{{service}} {{topic}} {{partition}}",
                    ),
                    width=12,
                ),
                line(
                    "taken/s",
                    (rate("mortarboard_consumed_total", "topic", "service"), "{{service}} {{topic}}"),
                    unit="ops",
                ),
                line(
                    "retries/s",
                    (rate("mortarboard_batch_retries_total", "topic", "service"), "{{service}} {{topic}}"),
                    unit="ops",
                ),
                line(
                    "dead letters, 1 h",
                    (
                        "sum by (service, topic) (increase(mortarboard_dead_letters_total[1h]))",
                        "{{service}} {{topic}}",
                    ),
                ),
            ],
        ),
        (
            "Writing",
            [
                line(
                    "published/s",
                    (rate("mortarboard_published_total", "topic"), "{{topic}}"),
                    unit="ops",
                    width=12,
                    stacked=True,
                ),
                line(
                    "hop p50",
                    (quantile(0.5, "mortarboard_hop_seconds", "topic", "service"), "{{service}} {{topic}}"),
                    unit="s",
                    width=12,
                ),
            ],
        ),
    )


def boxes() -> Dashboard:
    """Outboxes and inboxes: what waits to be published, and what came twice."""
    return board(
        "boxes",
        "Mortarboard: outbox and inbox",
        "What is committed and not yet published, and what came again and was let pass once only.",
        (
            "Outbox",
            [
                line(
                    "oldest event",
                    ("max by (service, lane) (mortarboard_outbox_oldest_seconds)", "{{service}} {{lane}}"),
                    unit="s",
                ),
                line(
                    "in the next window",
                    ("max by (service, lane) (mortarboard_outbox_rows)", "{{service}} {{lane}}"),
                    says="At most 200: a full window that stays full means that more waits.",
                ),
                line(
                    "relays at work",
                    (
                        'sum by (service, lease) (mortarboard_lease_held{lease=~"relay-.*"})',
                        "{{service}} {{lease}}",
                    ),
                    says="One for each lane of each service.",
                ),
            ],
        ),
        (
            "Inbox",
            [
                line(
                    "came again/s",
                    (
                        rate("mortarboard_consumed_total", "service", "topic", where='result="repeated"'),
                        "{{service}} {{topic}}",
                    ),
                    unit="ops",
                ),
                line(
                    "dead/s",
                    (
                        rate("mortarboard_consumed_total", "service", "topic", where='result="dead"'),
                        "{{service}} {{topic}}",
                    ),
                    unit="ops",
                ),
                line(
                    "of what was erased/s",
                    (
                        rate("mortarboard_consumed_total", "service", "topic", where='result="forgotten"'),
                        "{{service}} {{topic}}",
                    ),
                    unit="ops",
                ),
            ],
        ),
    )
