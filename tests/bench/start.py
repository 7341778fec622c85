"""From `./dev up` to "all services ready", everything fetched and installed already."""

from __future__ import annotations

import argparse

from tests.bench._stage import quantile, result
from tests.bench.idle import with_stack


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./dev bench start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    times = [with_stack(0.0)[0] for _ in range(parser.parse_args().rounds)]
    result(seconds=round(quantile(times, 0.5), 1), all=[round(one, 1) for one in times])


if __name__ == "__main__":
    main()
