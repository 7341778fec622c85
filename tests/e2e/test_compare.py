"""Two models held against each other: what training-svc knows, and the calls that its links lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_svc.app import SCOPES
from deploy.stack.services import Surroundings
from tests.e2e.world import Loop, loop_world, walk
from tests.harness import until


async def another_run(loop: Loop) -> str:
    """A second version, trained otherwise; returns the run's id, which is the model's."""
    path = f"/v1/datasets/{loop.ids['dataset']}/versions"
    frozen = await loop.ok("dataset-svc", "POST", path, json={"exclude": [loop.ids["example"]]})
    wanted = {"confirm_warnings": True, "hyperparameters": {"n_epochs": 2}}
    asked = await loop.ok("dataset-svc", "POST", f"{path}/{frozen['version']}/train", json=wanted)

    async def ready() -> Any:
        answer = await loop.call("training-svc", "GET", f"/v1/runs/{asked['run_id']}")
        return answer.is_success and answer.json()["status"] == "ready"

    await until(ready)
    return str(asked["run_id"])


async def test_the_links_of_a_comparison_lead_on(surroundings: Surroundings, tmp_path: Path) -> None:
    async with loop_world(surroundings, tmp_path) as loop:
        await walk(loop)
        other = await another_run(loop)
        path = f"/v1/models/compare?a={loop.ids['run']}&b={other}"
        found = await loop.ok("training-svc", "GET", path)
        assert found["same"]["dataset_id"]
        assert not found["same"]["version"]
        assert found["b"]["settings"]["hyperparameters"] == {"n_epochs": 2}
        assert found["a"]["final"]["train_loss"] > 0

        diff = found["links"]["dataset_diff"]
        answer = await loop.ok(diff["service"], diff["method"], diff["path"])
        assert loop.ids["example"] in str(answer)
        (ratings,) = found["links"]["ratings"]
        assert "items" in await loop.ok(ratings["service"], ratings["method"], ratings["path"])
        both = found["links"]["ask_both"]
        assert [one["model"] for one in both["body"]["columns"]] == [found["a"]["model"], found["b"]["model"]]
        if "POST /v1/agents/{agent_id}/test-dialogs" in SCOPES:
            begun = await loop.ok(both["service"], both["method"], both["path"], json=both["body"])
            said = {"role": "user", "content": "What does bouquet number 3 cost?"}
            path = f"/v1/test-dialogs/{begun['dialog_id']}/messages"
            answered = await loop.ok(both["service"], "POST", path, json=said)
            assert str(answered).count("It costs") >= 2
