"""Jobs, files and models go on over kill -9."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openai
from openai import OpenAI

from deploy.simulator.testing import question_lines

ROOT = Path(__file__).resolve().parents[2]
TRAINING = question_lines("Q{}", "A{}", 10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(port: int, state: Path, speed: float) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "deploy.simulator", "--port", str(port), "--state", str(state)]
    environment = {**os.environ, "MORTARBOARD_SIMULATOR_ADMIN": "1"}
    process = subprocess.Popen([*command, "--speed", str(speed)], cwd=ROOT, env=environment)
    try:
        while process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.wait()


def test_the_same_job_goes_on_after_a_kill(tmp_path: Path) -> None:
    port = free_port()
    client = OpenAI(api_key="sk-one", base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
    with running(port, tmp_path, speed=10) as process:
        file = client.files.create(file=("train.jsonl", TRAINING), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(
            model="gpt-4o-2024-08-06", training_file=file.id, metadata={"run_id": "r1"}
        )
        paused = client.fine_tuning.jobs.create(model="gpt-4o-2024-08-06", training_file=file.id)
        client.fine_tuning.jobs.pause(paused.id)
        process.send_signal(signal.SIGKILL)
        process.wait()
    try:
        client.models.list()
    except openai.APIConnectionError:
        pass
    else:
        raise AssertionError("the simulator should be gone")
    # Another speed: the job keeps the times that it was created with.
    with running(port, tmp_path, speed=10_000):
        assert client.fine_tuning.jobs.retrieve(job.id).metadata == {"run_id": "r1"}
        assert str(client.fine_tuning.jobs.retrieve(paused.id).status) == "paused"
        assert client.files.content(file.id).content == TRAINING
        while (now := client.fine_tuning.jobs.retrieve(job.id)).finished_at is None:
            time.sleep(0.05)
        assert now.status == "succeeded"
        assert now.finished_at - now.created_at in (1, 2)
        model = str(now.fine_tuned_model)
    with running(port, tmp_path, speed=1):
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Q4"}])
        assert answer.choices[0].message.content == "A4"
        assert len(client.fine_tuning.jobs.list().data) == 2
    client.close()


def test_no_key_is_ever_stored(tmp_path: Path) -> None:
    port, key = free_port(), "sk-canary-5f2b9c"
    with (
        running(port, tmp_path, speed=100),
        OpenAI(api_key=key, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0) as client,
    ):
        file = client.files.create(file=("train.jsonl", TRAINING), purpose="fine-tune")
        client.fine_tuning.jobs.create(model="gpt-4o-2024-08-06", training_file=file.id)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if key.encode() in path.read_bytes()]
