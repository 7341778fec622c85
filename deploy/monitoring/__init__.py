"""Boards and service levels as code; `generate` writes what Grafana and Prometheus read."""
