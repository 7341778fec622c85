"""All dialogs of ../shared/data through dataset-svc; skipped where they are not beside the checkout."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dataset_svc.domain.checks import CODES
from deploy.simulator.description import line_validator
from deploy.simulator.validate import validate_file
from deploy.stack.prepared import Prepared
from tests.damage import DAMAGES, Damage
from tests.integration.curation import Curation, curating
from tests.shared_data import SHARED, dialogs, messages_of

pytestmark = [
    pytest.mark.sgd,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data beside the checkout"),
]


@pytest.fixture
async def curation(servers: Prepared, database: str, tmp_path: Path) -> AsyncIterator[Curation]:
    async with curating(servers, database, tmp_path) as made:
        yield made


async def test_every_dialog_becomes_an_example_that_passes_or_is_told_why_and_the_files_are_sound(
    curation: Curation,
) -> None:
    groups = defaultdict(list)
    for dialog in dialogs():
        # an agent's functions are those of the dialog: some agents of the data have several sets
        groups[dialog["agent_id"], dialog["prompt"], json.dumps(dialog["tools"])].append(dialog)
    examples = frozen = 0
    validator = line_validator()
    for number, ((agent, prompt, tools), members) in enumerate(groups.items()):
        dataset = await curation.agent(f"{agent}-{number}", json.loads(tools), prompt)
        made = await curation.take(dataset, *map(messages_of, members))
        await curation.check()
        found = await curation.found(dataset)
        blocked = tuple(
            one
            for one in made
            if any(CODES[finding["code"]].severity == "error" for finding in found.get(one, []))
        )
        examples += len(made)
        files = (await curation.freeze(dataset, exclude=blocked))["manifest"]["files"]
        assert sum(file["examples"] for file in files.values()) == len(made) - len(blocked)
        for name, file in files.items():
            problem = validate_file(curation.path(file), param=f"{name}_file").problem
            assert problem is None or problem.code == "invalid_n_examples"
            for line in curation.lines(file):
                validator.validate(line)
                frozen += 1
        assert blocked == ()
    assert (examples, frozen) == (1_220, 1_220)


def damage_for(dialog: dict[str, Any], number: int) -> tuple[str, str, Damage]:
    """The dialog's damage in turn, the next one where it would change nothing that matters."""
    name, code, damage = DAMAGES[number % len(DAMAGES)]
    optional = any(not one["function"]["parameters"].get("required") for one in dialog["tools"])
    messages = messages_of(dialog)
    harmless = damage(messages) == messages or (name == "no arguments" and optional)
    return damage_for(dialog, number + 1) if harmless else (name, code, damage)


async def test_a_damaged_copy_of_each_gets_the_code_of_its_damage(curation: Curation) -> None:
    members = [dialog for dialog in dialogs() if any(one.get("tool_calls") for one in dialog["messages"])]
    groups = defaultdict(list)
    for number, dialog in enumerate(members):
        groups[json.dumps(dialog["tools"])].append((damage_for(dialog, number), dialog))
    wrong = []
    for number, (tools, group) in enumerate(groups.items()):
        dataset = await curation.agent(f"agent-{number}", json.loads(tools))
        broken = [damage(messages_of(dialog)) for (_, _, damage), dialog in group]
        made = await curation.take(dataset, *broken, save=False)
        await curation.check()
        found = await curation.found(dataset)
        for example, ((name, code, _), dialog) in zip(made, group, strict=True):
            if code not in {one["code"] for one in found.get(example, [])}:
                wrong.append((dialog["dialog_id"], name, found.get(example)))
    assert wrong == []
    assert len(members) > 1_100
