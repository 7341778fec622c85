"""The probe that containers ask themselves with."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

ANSWERS = {"/livez": (200, b"well"), "/readyz": (503, b'{"problems": {"postgres": "refused"}}')}


class Ops(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = ANSWERS[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Ops) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def probe(port: int, *arguments: str) -> tuple[int, str]:
    env = {**os.environ, "MORTARBOARD_OPS_PORT": str(port)}
    command = [sys.executable, "-P", "-m", "chassis.probe", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr.strip()


def test_a_service_that_is_well_gives_exit_status_0_and_no_words(port: int) -> None:
    assert probe(port) == (0, "")


def test_one_that_is_not_gives_1_and_its_own_words(port: int) -> None:
    assert probe(port, "readyz") == (1, 'readyz: 503 {"problems": {"postgres": "refused"}}')


def test_one_that_does_not_answer_gives_1(port: int) -> None:
    status, words = probe(1)
    assert status == 1
    assert "ConnectionRefusedError" in words
