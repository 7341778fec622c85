"""What every integration test leaves behind."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Let abandoned futures report now: in the middle of an import they break the parser of Python 3.11."""
    yield
    gc.collect()
