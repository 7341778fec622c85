"""All checks against OpenAI's published recipe: `python -m tests.bench.checks`.

The same real dialogs (../shared/data) on both sides. `cold_ratio`: everything that the checks of examples
work out, from JSON and nothing known, over the recipe with tiktoken; processor time of one core, medians of
rounds in turn. The recipe does not look for personal data, so that is left out here: `./dev bench personal`
tells what it costs. `edit_ratio`: what the whole dataset's findings take after one saved edit (check of what
changed, counts by code, the first page, in a real PostgreSQL, by the clock) against the recipe over the whole
dataset, for 12,200 examples: each dialog ten times, each time with other words between. Signatures, by which
near duplicates are found, are part of the edit and not of `cold_ratio`: the recipe has nothing like them, and
`tests.bench.duplicates` measures what they are for.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import orjson

from dataset_svc.domain.checks.copy import Copy, check_copies
from dataset_svc.domain.edits import EditText
from dataset_svc.domain.message import dump
from dataset_svc.outbound import finding_store
from dataset_svc.usecases.check_examples import catch_up
from deploy.stack.prepared import prepare
from deploy.stack.servers import Servers
from deploy.stack.settings import from_environment
from tests.bench._recipe import Recipe, bring_vocabulary
from tests.bench._stage import NO_ISSUER, quantile, result
from tests.integration.curation import TENANT, Curation, curating
from tests.shared_data import SHARED, dialogs, messages_of

ROUNDS = 9
EDITS = 60
TIMES = 10
MULTIPLY = """
    WITH made AS (
        INSERT INTO examples (tenant_id, id, dataset_id, state, original, draft, saved_revision, saved_draft,
            teaches, answers, changed_by)
        SELECT e.tenant_id, uuidv7(), e.dataset_id, 'saved', changed.messages, changed.messages, 1, 1,
            e.teaches, e.answers, 'bench'
        FROM generate_series(2, $1) AS n, (SELECT * FROM examples) e, LATERAL (
            SELECT jsonb_agg(CASE WHEN m ->> 'role' = 'tool' OR m ->> 'content' IS NULL THEN m
                ELSE m || jsonb_build_object('content', format('%s %s', m ->> 'content', words)) END
                ORDER BY place) AS messages
            FROM jsonb_array_elements(e.draft) WITH ORDINALITY AS o (m, place), LATERAL (
                SELECT string_agg(left(md5(format('%s %s %s', n, place, w)), 5), ' ') AS words
                FROM generate_series(1, 8) w) added) changed
        RETURNING *
    )
    INSERT INTO example_revisions (tenant_id, example_id, revision, messages, line, tokens, teaches, answers,
        saved_by)
    SELECT tenant_id, id, 1, draft, '', 0, teaches, answers, 'bench' FROM made
"""
"""Copies of the examples, each with words of its own in every message: none is a near duplicate; saved."""


def main() -> None:
    """Measure both, cold first."""
    if not SHARED.exists():
        raise SystemExit("needs the dialogs of ../shared/data beside the checkout")
    bring_vocabulary(from_environment().cache)
    recipe = Recipe()
    ours, theirs = _cold(recipe)
    cold = median(theirs) / median(ours)
    print(f"cold: {median(ours):.3f} s against {median(theirs):.3f} s for {len(dialogs())} dialogs")
    edit, whole, checked = asyncio.run(_edits(recipe))
    print(f"{checked:.0f} examples a second checked and stored; findings after one edit: {edit * 1e3:.2f} ms")
    result(cold_ratio=round(cold, 2), edit_ratio=round(whole / edit), stored_per_second=round(checked))


def _lines() -> list[str]:
    return [json.dumps({"messages": _with_prompt(one), "tools": one["tools"]}) for one in dialogs()]


def _with_prompt(dialog: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "system", "content": dialog["prompt"]}, *dialog["messages"]]


def copies_by_agent() -> list[tuple[str, str, list[Copy]]]:
    """By agent: prompt, functions, and each dialog as an example is stored."""
    groups: dict[tuple[str, str], list[Copy]] = defaultdict(list)
    for one in dialogs():
        stored = orjson.dumps(dump(messages_of(one))).decode()
        groups[one["prompt"], json.dumps(one["tools"])].append(Copy(uuid4(), stored, stored, "{}"))
    return [(*agent, copies) for agent, copies in groups.items()]


def _cold(recipe: Recipe) -> tuple[list[float], list[float]]:
    lines, groups = _lines(), copies_by_agent()

    def all_checks() -> int:
        with patch("dataset_svc.domain.checks.copy.personal_findings", lambda *_: ()):
            return sum(len(check_copies(copies, prompt, tools)) for prompt, tools, copies in groups)

    sides: list[tuple[Callable[[], Any], list[float]]] = [(all_checks, []), (lambda: recipe.check(lines), [])]
    for number in range(ROUNDS + 1):
        for work, seconds in sides:
            gc.collect()
            started = time.process_time()
            work()
            if number:  # the first round loads vocabularies
                seconds.append(time.process_time() - started)
    return sides[0][1], sides[1][1]


async def _edits(recipe: Recipe) -> tuple[float, float, float]:
    folder = from_environment().run / "bench" / f"checks-{os.getpid()}"
    servers = Servers.on_free_ports(folder)
    await servers.start_postgres()
    try:
        prepared = await prepare("", servers.admin_url, NO_ISSUER, folder)
        async with curating(prepared, prepared.template, folder / "objects") as curation:
            return await _measured(curation, recipe)
    finally:
        await servers.postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _measured(curation: Curation, recipe: Recipe) -> tuple[float, float, float]:
    tools = {json.dumps(tool): tool for one in dialogs() for tool in one["tools"]}
    dataset = await curation.agent("bench", list(tools.values()))
    talks = list(map(messages_of, dialogs()))
    examples = [
        one
        for first in range(0, len(talks), 200)
        for one in await curation.take(dataset, *talks[first : first + 200])
    ]
    async with curation.database.transaction() as transaction:
        await transaction.connection.execute(MULTIPLY, TIMES)
    started = time.perf_counter()
    await curation.check()
    checked = TIMES * len(examples) / (time.perf_counter() - started)
    seconds = [
        await _after_edit(curation, dataset, one, number) for number, one in enumerate(examples[:EDITS])
    ]
    print(f"findings after an edit: p95 {quantile(seconds, 0.95) * 1e3:.2f} ms")
    started = time.perf_counter()
    recipe.check(_lines() * TIMES)
    return median(seconds), time.perf_counter() - started, checked


async def _after_edit(curation: Curation, dataset: UUID, example: UUID, number: int) -> float:
    """Save an edit; the seconds until the whole dataset's findings are known again."""
    words = f"Answer {number}{', as you hinted' if number % 5 == 0 else ''}."
    last = len(dialogs()[number]["messages"]) - 1
    await curation.edit(example, EditText(f"m{last}", words))
    started = time.perf_counter()
    async with curation.database.tenant_transaction(TENANT) as transaction:
        connection = transaction.connection
        if await catch_up(transaction, tenant=TENANT, dataset_id=dataset):
            raise RuntimeError("the edit was not checked")
        counts = await finding_store.counts(connection, TENANT, dataset, saved_only=False)
        await finding_store.page(connection, TENANT, dataset, code=None, severity=None, after=None, limit=50)
    seconds = time.perf_counter() - started
    found = {row["code"]: row["examples"] for row in counts}
    if found.get("answer_speaks_of_hint") != number // 5 + 1:
        raise RuntimeError(f"the edit was not found: {found}")
    return seconds


if __name__ == "__main__":
    main()
