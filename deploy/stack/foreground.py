"""Runs the stack in the foreground of a terminal: Ctrl-C stops it in order, twice at once."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
from aiokafka.errors import KafkaError

from deploy.stack.ports import PortsTakenError
from deploy.stack.postgres import PostgresSetupError
from deploy.stack.processes import ProcessError
from deploy.stack.settings import StackSettings
from deploy.stack.stack import AlreadyRunsError, Stack
from deploy.stack.topics import TopicsError

EXPECTED = (
    AlreadyRunsError,
    PortsTakenError,
    PostgresSetupError,
    ProcessError,
    TopicsError,
    asyncpg.PostgresError,
    KafkaError,
)
INTERRUPTED = 130


def say(text: str) -> None:
    """Print a line at once; a terminal that went away is nobody to print to."""
    with suppress(OSError):
        print(text, flush=True)


def run_stack(
    settings: StackSettings,
    play: Callable[[Stack], Awaitable[int]],
    *,
    wipe: bool = False,
    say: Callable[[str], None] = say,
) -> int:
    """Start the stack, await `play` with it, stop it; return play's exit status, 130 when interrupted."""
    return asyncio.run(_run(Stack(settings, say=say, wipe=wipe), play))


async def _run(stack: Stack, play: Callable[[Stack], Awaitable[int]]) -> int:
    task = asyncio.create_task(_play(stack, play))
    asked = 0

    def interrupt() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            task.cancel()
            with suppress(OSError):  # the terminal may be what went away
                print("\nstopping (Ctrl-C again: at once)", file=sys.stderr, flush=True)
        else:
            stack.kill()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    try:
        return await task
    except asyncio.CancelledError:
        return INTERRUPTED


async def _play(stack: Stack, play: Callable[[Stack], Awaitable[int]]) -> int:
    try:
        async with stack:
            return await play(stack)
    except EXPECTED as error:
        print(f"./dev: {error}", file=sys.stderr)
    except BaseExceptionGroup as group:
        expected, others = group.split(EXPECTED)
        if others or not expected:
            raise
        for one in flat(expected):
            print(f"./dev: {one}", file=sys.stderr)
    return 1


def flat(group: BaseException) -> list[BaseException]:
    """The errors in a group, however nested."""
    return (
        [one for inner in group.exceptions for one in flat(inner)]
        if isinstance(group, BaseExceptionGroup)
        else [group]
    )
