"""PromQL that many panels share."""

NEWEST = "max by (%s) (%s)"
"""Every process of a service counts the same rows: the largest figure is the service's."""


def rate(metric: str, *labels: str, where: str = "") -> str:
    """The rate of a counter in a second, summed by labels."""
    chosen = f"{{{where}}}" if where else ""
    return f"sum by ({', '.join(labels)}) (rate({metric}{chosen}[$__rate_interval]))"


def quantile(share: float, metric: str, *labels: str, where: str = "") -> str:
    """A quantile of a histogram, by labels."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', 'le', *labels, where=where)})"
