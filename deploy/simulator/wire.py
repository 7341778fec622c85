"""What every route needs: the account, parameters read with the real errors, pages, ids."""

import json
import secrets
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request

from deploy.simulator import errors
from deploy.simulator.accounts import Account, authenticate
from deploy.simulator.store import Store

Item = TypeVar("Item")
ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Simulator:
    """What the routes work with."""

    store: Store
    speed: float
    clock: Callable[[], float]
    settling: dict[str, float] = field(default_factory=dict)
    """When files will be processed, of servers that take their time; those of a past process are."""


def simulator(request: Request) -> Simulator:
    """The simulator that serves a request."""
    found = request.app.state.simulator
    if not isinstance(found, Simulator):
        raise TypeError("the application has no simulator")
    return found


def caller(request: Request) -> Account:
    """The account of a request; raises the real 401."""
    return authenticate(request.headers.get("authorization"))


def new_id(prefix: str) -> str:
    """An id as the API makes them: a prefix and 24 letters and digits."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(24))


async def json_body(request: Request) -> dict[str, Any]:
    """The request's JSON object."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise errors.ApiError(400, "We could not parse the JSON body of your request.") from None
    if not isinstance(body, dict):
        raise errors.ApiError(400, "The JSON body of your request must be an object.")
    return body


def text(body: dict[str, Any], name: str) -> str:
    """A required string."""
    if body.get(name) is None:
        raise errors.missing(name)
    value = body[name]
    if not isinstance(value, str):
        raise errors.wrong_type(name, "a string")
    return value


def integer(body: dict[str, Any], name: str, low: int, high: int) -> int | None:
    """An optional whole number within bounds."""
    value = body.get(name)
    if value is None:
        return None
    if type(value) is not int:
        raise errors.wrong_type(name, "an integer")
    if not low <= value <= high:
        raise errors.wrong_value(name, f"must be between {low} and {high}")
    return value


def limit(request: Request, default: int, highest: int) -> int:
    """The page size asked for."""
    given = request.query_params.get("limit", str(default))
    if not given.isascii() or not given.isdigit() or not 1 <= int(given[:9]) <= highest:
        raise errors.wrong_value("limit", f"must be an integer between 1 and {highest}")
    return int(given)


def page(
    items: Sequence[Item], *, size: int, after: str | None, key: Callable[[Item], str]
) -> tuple[list[Item], bool]:
    """At most `size` items behind the one named `after`, and whether more follow."""
    start = 0
    if after is not None:
        places = [place for place, item in enumerate(items) if key(item) == after]
        if not places:
            raise errors.wrong_value("after", f"no item '{after}' in this list")
        start = places[0] + 1
    return list(items[start : start + size]), len(items) > start + size
