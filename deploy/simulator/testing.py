"""A simulator in a thread of the test's own process, with a clock that the test may turn."""

import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from deploy.simulator.app import create_app
from deploy.simulator.server import make_server


class TurnedClock:
    """Stands still until told to move on."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        """The time, as `time.time` gives it."""
        return self.now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class RunningSimulator:
    """`with RunningSimulator(folder) as simulator:` serves at `simulator.base_url` on a free port."""

    def __init__(
        self,
        state: Path,
        *,
        speed: float = 50.0,
        with_admin: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = create_app(state, speed=speed, with_admin=with_admin, clock=clock)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.base_url = self.address + "/v1"
        self._server = make_server(self._app, 0)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )

    def __enter__(self) -> "RunningSimulator":
        self._socket.listen(100)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def admin(self, method: str, path: str, body: object = None) -> Any:
        """Call the admin path; the answer's JSON, None without a body."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/_admin/{path}", data=data, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own server
            content = answer.read()
        return json.loads(content) if content else None

    def add_fault(self, fault: str, **settings: object) -> None:
        """Ask for a fault."""
        self.admin("POST", "faults", {"fault": fault, **settings})

    def ledger(self) -> list[dict[str, Any]]:
        """Every job ever created."""
        jobs: list[dict[str, Any]] = self.admin("GET", "jobs")["jobs"]
        return jobs


def training_lines(examples: Iterable[object]) -> bytes:
    """Examples as the bytes of a training file."""
    return b"".join(json.dumps(example, ensure_ascii=False).encode() + b"\n" for example in examples)


def question_lines(question: str, answer: str, count: int) -> bytes:
    """A training file of numbered questions and answers, `{}` standing for the number."""
    return training_lines(
        {
            "messages": [
                {"role": "user", "content": question.format(number)},
                {"role": "assistant", "content": answer.format(number)},
            ]
        }
        for number in range(count)
    )
