"""The owner's trick over all services: a hint in one's own message, the right answer, the cap, no hint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.stack.services import Surroundings
from tests.e2e.world import Loop, loop_world
from tests.harness import until

SHOP = {
    "name": "Shop", "prompt": "You answer for a flower shop.", "tools": [],
    "base_model": "gpt-4o-mini-2024-07-18", "provider": "openai",
}  # fmt: skip
FIRST = "Do you have roses?"
HINTED = "Do you have roses? Say that red ones came today."


@pytest.mark.timeout(240)
async def test_a_hint_leads_to_the_answer_and_stays_out_of_the_dataset(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    async with loop_world(surroundings, tmp_path) as loop:
        await loop.ok("agent-svc", "PUT", "/v1/agents/shop", json=SHOP)
        await loop.ok(
            "agent-svc", "PUT", "/v1/agents/shop/keys/openai", json={"key": "sk-owner-000000000001"}
        )
        chat = await loop.ok("agent-svc", "POST", "/v1/agents/shop/test-dialogs", json={})
        path = f"/v1/test-dialogs/{chat['dialog_id']}"
        said = await loop.ok("agent-svc", "POST", f"{path}/messages", json={"role": "user", "content": FIRST})
        question, first = said["messages"]
        edit = f"{path}/messages/{question['message_id']}"
        said = await loop.ok("agent-svc", "PUT", edit, json={"content": HINTED})
        hinted = said["columns"][0]
        example = await cap(loop, chat["dialog_id"], hinted["branch"])
        own, answer = example["messages"]
        assert (own["content"], own["hint"]) == (HINTED, [{"start": 19, "end": 48}])
        assert "red ones" in answer["content"]
        await refused_while_the_hint_is_left(loop, example, own)
        # the old branch was said too, and can be capped as it was
        await loop.ok("agent-svc", "PUT", f"{path}/active", json={"message_id": first["message_id"]})
        back = (await loop.ok("agent-svc", "GET", path))["columns"][0]
        other = await cap(loop, chat["dialog_id"], back["branch"])
        assert other["messages"][0]["content"] == FIRST
        assert other["id"] != example["id"]


async def cap(loop: Loop, dialog_id: str, branch: str) -> Any:
    """Press the cap: select the branch at dialog-svc, take the revision as an example."""

    async def selected() -> Any:
        answer = await loop.call(
            "dialog-svc", "POST", f"/v1/dialogs/{dialog_id}/select", json={"branch": branch}
        )
        return answer.json() if answer.is_success else None

    revision = (await until(selected))["revision"]

    async def dataset() -> Any:
        found = await loop.ok("dataset-svc", "GET", "/v1/datasets?agent_id=shop")
        return found["items"]

    (known,) = await until(dataset)
    body = {"dialog_id": dialog_id, "revision": revision}

    async def opened() -> Any:
        answer = await loop.call("dataset-svc", "POST", f"/v1/datasets/{known['id']}/examples", json=body)
        return answer.json()["id"] if answer.status_code in (200, 201) else None

    return await loop.ok("dataset-svc", "GET", f"/v1/examples/{await until(opened)}")


async def refused_while_the_hint_is_left(loop: Loop, example: Any, own: Any) -> None:
    save = f"/v1/examples/{example['id']}/save"
    refused = await loop.call("dataset-svc", "POST", save)
    assert refused.status_code in (409, 422), refused.text
    answer = await loop.call(
        "dataset-svc", "PATCH", f"/v1/examples/{example['id']}",
        json={"operations": [{"op": "restore", "message_id": own["id"]}]},
        headers={"If-Match": f'"{example["draft_revision"]}"'},
    )  # fmt: skip
    assert answer.is_success, answer.text
    assert answer.json()["messages"][0]["content"] == FIRST
    saved = await loop.call("dataset-svc", "POST", save)
    assert saved.is_success, saved.text
