"""The board of one service."""

from grafana_foundation_sdk.builders.dashboard import Dashboard

from deploy.monitoring.boards.queries import quantile, rate
from deploy.monitoring.panels import board, line


def service(name: str) -> Dashboard:
    """One service: its requests, its events, its workers, its process."""
    mine = f'service="{name}"'
    return board(
        name,
        f"Mortarboard: {name}",
        f"Requests, events, workers and processes of {name}.",
        (
            "HTTP",
            [
                line(
                    "requests/s",
                    (rate("mortarboard_http_seconds_count", "status", where=mine), "{{status}}"),
                    unit="reqps",
                ),
                line(
                    "p99 by route",
                    (quantile(0.99, "mortarboard_http_seconds", "route", where=mine), "{{route}}"),
                    unit="s",
                ),
                line(
                    "errors of ours/s",
                    (
                        rate("mortarboard_http_seconds_count", "route", where=f'{mine},status=~"5.."'),
                        "{{route}}",
                    ),
                    unit="reqps",
                ),
            ],
        ),
        (
            "Events",
            [
                line(
                    "taken by result",
                    (
                        rate("mortarboard_consumed_total", "topic", "result", where=mine),
                        "{{topic}} {{result}}",
                    ),
                    unit="ops",
                ),
                line(
                    "lag",
                    (
                        "sum by (topic) "
                        f"(max by (namespace, topic, partition) (mortarboard_consumer_lag{{{mine}}}))",
                        "{{topic}}",
                    ),
                ),
                line(
                    "one batch, p99",
                    (quantile(0.99, "mortarboard_batch_seconds", "topic", where=mine), "{{topic}}"),
                    unit="s",
                ),
                line(
                    "retries/s",
                    (rate("mortarboard_batch_retries_total", "topic", where=mine), "{{topic}}"),
                    unit="ops",
                ),
                line(
                    "outbox, oldest",
                    (f"max by (lane) (mortarboard_outbox_oldest_seconds{{{mine}}})", "{{lane}}"),
                    unit="s",
                ),
                line(
                    "published/s",
                    (rate("mortarboard_published_total", "topic", where=mine), "{{topic}}"),
                    unit="ops",
                ),
            ],
        ),
        (
            "Processes",
            [
                line("memory", (f"process_resident_memory_bytes{{{mine}}}", "{{instance}}"), unit="bytes"),
                line(
                    "cores", (f"rate(process_cpu_seconds_total{{{mine}}}[$__rate_interval])", "{{instance}}")
                ),
                line(
                    "who holds which lease",
                    (f"mortarboard_lease_held{{{mine}}} == 1", "{{lease}} {{instance}}"),
                ),
                line(
                    "versions",
                    (f"count by (version) (mortarboard_build_info{{{mine}}})", "{{version}}"),
                    says="Two at a time only while an upgrade rolls.",
                ),
                line(
                    "let go of, rows/s",
                    (rate("mortarboard_expired_rows_total", "kind", where=mine), "{{kind}}"),
                    says="What was kept for a time only, as it expires.",
                ),
                line("open files", (f"process_open_fds{{{mine}}}", "{{instance}}")),
            ],
        ),
    )
