"""`./dev demo` as a person runs it: a process of its own, a stack of its own, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.demo.dialogs import OWN, choose_question, load, pick
from deploy.stack.ports import refuse_taken
from deploy.stack.settings import ROOT, StackSettings, from_environment, port_setting
from tests.harness import PORTS

SHARED = ROOT.parent / "shared" / "data" / "sgd-dev.jsonl.gz"
COMMAND = [sys.executable, "-P", "-m", "deploy.cli", "demo"]
STEPS = ["stack", "agents", "publish", "completed", "examples", "freeze", "training", "activate", "ask"]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[dict[str, str], StackSettings]]:
    """The environment of a demo with a folder and ports of its own; afterwards nothing of it may run."""
    settings = from_environment({"MORTARBOARD_RUN": str(tmp_path / "run")}).with_free_ports(PORTS)
    ports = {port_setting(name): str(port) for name, port in settings.ports.items()}
    given = {name: value for name, value in os.environ.items() if name != "MORTARBOARD_PORT_OFFSET"}
    yield {**given, **ports, "MORTARBOARD_RUN": str(settings.run), "MORTARBOARD_STACK": "local"}, settings
    assert not settings.state_file.exists()
    assert processes_of(settings.run) == []
    refuse_taken(settings.ports)


def processes_of(run: Path) -> list[list[str]]:
    """Command lines of the processes that belong to a run folder."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            about = [*command, *process.environ().values(), process.cwd()]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(str(run) in text for text in about):
            found.append(command)
    return found


def demo(environment: dict[str, str], *arguments: str) -> tuple[dict[str, Any], str]:
    """Run it once; what its last line says, and everything before it."""
    done = subprocess.run(
        [*COMMAND, "--once", *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    *before, last = done.stdout.strip().split("\n")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return json.loads(last), "\n".join(before)


def test_the_demo_trains_a_model_that_answers_as_corrected(place: Any) -> None:
    environment, _ = place
    result, said = demo(environment)
    own = load(OWN)
    question = choose_question(pick(own, "flowers", 200), "flowers")
    assert (result["dialogs"], result["messages"]) == (40, sum(len(one.messages) for one in own))
    assert (result["examples"], result["dataset_version"], result["status"]) == (40, 1, "ready")
    assert result["model"].startswith("ft:gpt-4o-mini-2024-07-18:")
    assert result["came_of"] == sum(one.agent_id == "flowers" for one in pick(own, "flowers", 200))
    assert result["answer_after"] == question.taught != result["answer_before"]
    assert (result["error"], list(result["seconds"])) == (None, [*STEPS, "total"])
    assert len(result["run_id"]) == 36
    heard = [line.split()[1] for line in said.split("\n") if line.strip().startswith("training.status.v1")]
    assert heard == sorted(set(heard), key=("unknown", "waiting", "training", "ready").index)
    assert {"unknown", "ready"} <= set(heard)
    assert "sk-demo" not in said


def test_ctrl_c_in_the_middle_leaves_nothing(place: Any) -> None:
    environment, _ = place
    running = subprocess.Popen(
        COMMAND, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert running.stdout
    for line in running.stdout:
        if "dialogs published 40/40" in line:
            running.send_signal(signal.SIGINT)
    assert running.wait() == 130


@pytest.mark.sgd
@pytest.mark.timeout(400)
@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data beside the checkout")
def test_the_demo_takes_in_the_shared_dialogs_and_loses_none(place: Any) -> None:
    environment, _ = place
    dialogs = load(SHARED)
    result, _ = demo(environment, "--dialogs", str(SHARED))
    assert (result["dialogs"], result["messages"]) == (1220, sum(len(one.messages) for one in dialogs))
    assert (result["examples"], result["status"], result["error"]) == (200, "ready", None)
    question = choose_question(pick(dialogs, "flights", 200), "flights")
    assert result["answer_after"] == question.taught != result["answer_before"]
