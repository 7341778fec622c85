"""Secrets of the environment: each a value, or a file that is read again at each use."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

Read = Callable[[], str]
"""Returns a secret as it is now; raises OSError when its file cannot be read or is empty."""


def reader(value: SecretStr | None, path: Path | None) -> Read:
    """Return how to read a secret that was given as a value or as a file."""
    if path is not None:
        return lambda: read(path)
    text = value.get_secret_value() if value is not None else ""
    return lambda: text


def read(path: Path) -> str:
    """Return what a file holds, without white space around it; raises OSError when that is nothing."""
    text = path.read_text(encoding="utf-8").strip()
    if not text:
        raise OSError(errno.ENODATA, "empty", str(path))
    return text


def one_of(name: str, value: Any, path: Any) -> None:
    """Refuse a secret that is given twice, not at all, or as a file that cannot be read."""
    if value is not None and path is not None:
        raise refused(f"MORTARBOARD_{name} and MORTARBOARD_{name}_FILE are both set: keep one")
    if value is None and path is None:
        raise PydanticCustomError(
            "missing", "Field required, or {twin}", {"twin": f"MORTARBOARD_{name}_FILE"}
        )
    if path is not None:
        must_be_readable(f"{name}_FILE", path)


def must_be_readable(name: str, path: Path) -> None:
    """Refuse a setting whose file is not there, or not for this user to read."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise refused(f"MORTARBOARD_{name}: {path} cannot be read ({error.strerror})") from None


def refused(text: str) -> PydanticCustomError:
    """Return the error of settings that contradict each other; its text names them."""
    return PydanticCustomError("settings", "{text}", {"text": text})
