"""What callers see of datasets, examples and versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dataset_svc.domain.checks import check
from dataset_svc.domain.checks.personal import personal_findings
from dataset_svc.domain.diff import message_changes
from dataset_svc.domain.edits import orphans
from dataset_svc.domain.functions import Functions
from dataset_svc.domain.message import dump, load
from dataset_svc.domain.personal.places import allowed_values
from dataset_svc.domain.problems import finding_json
from dataset_svc.domain.steps import Step, to_redo, to_undo
from dataset_svc.domain.weights import Ratings, head, weights
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.compare_versions import Compared
from dataset_svc.usecases.freeze_version import Split


def page(
    rows: Sequence[Mapping[str, Any]] | Sequence[Row], limit: int, items: list[Any], by: str
) -> dict[str, Any]:
    """Return a page; `rows` holds one more than `limit` when there is a next one."""
    following = str(rows[limit - 1][by]) if len(rows) > limit else None
    return {"items": items[:limit], "next_cursor": following}


def dataset(row: Row) -> dict[str, Any]:
    """Return a dataset with what is known of its agent."""
    return {
        "id": str(row["id"]),
        "agent_id": row["agent_id"],
        "name": row["name"],
        "agent_version": row["agent_version"],
        "base_model": row["base_model"],
        "provider": row["provider"],
        "created_at": row["created_at"].isoformat(),
    }


def example(row: Row, language: str) -> dict[str, Any]:
    """Return the working copy with the weight of each answer, its head and its findings."""
    messages, original = load(row["draft"]), load(row["original"])
    found = weights(messages, original, Ratings(row["ratings"]))
    first = {one.id: one for one in original}
    shown = []
    for message, data in zip(messages, dump(messages), strict=True):
        before = first.get(message.id)
        extra: dict[str, Any] = {
            "inserted": before is None,
            "edited": before is not None and not message.says_the_same(before),
        }
        if message.is_answer:
            extra |= {"weight": found[message.id], "weight_set": message.weight is not None}
        shown.append(data | extra)
    now = head(found)
    tools = None if row["agent_tools"] is None else orjson.dumps(row["agent_tools"]).decode()
    functions = None if tools is None else Functions.of_json(tools)
    allowed = allowed_values(row["agent_prompt"] or "", tools, row["allowed"])
    findings = [*check(messages, found, functions), *personal_findings(messages, allowed)]
    steps = [Step(*one) for one in row["steps"] or ()]
    return {
        **example_item(row),
        "head": {"teaches": now.teaches, "answers": now.answers},
        "rated_bad": Ratings(row["ratings"]).is_bad(),
        "origin_revision": row["origin_revision"],
        "new_messages": max((row["newer_count"] or 0) - row["origin_count"], 0),
        "orphaned": orphans(messages),
        "undoable": to_undo(steps) is not None,
        "redoable": to_redo(steps) is not None,
        "agent_id": row["agent_id"],
        "dataset_id": str(row["dataset_id"]),
        "messages": shown,
        "findings": [finding_json(one, language) for one in findings],
    }


def example_item(row: Row) -> dict[str, Any]:
    """Return an example without its messages."""
    return {
        "id": str(row["id"]),
        "dialog_id": row["dialog_id"],
        "branch": row["branch"] or None,
        "source": row["source"],
        "copied_from": _copied(row),
        "state": row["state"],
        "rating": row["rating"],
        "note": row["note"],
        "tags": row["tags"],
        "draft_revision": row["draft_revision"],
        "saved_revision": row["saved_revision"],
        "unsaved_changes": row["saved_draft"] != row["draft_revision"],
        "teaches": row["teaches"],
        "answers": row["answers"],
        "changed_by": row["changed_by"],
        "changed_at": row["changed_at"].isoformat(),
        "created_at": row["created_at"].isoformat(),
    }


def _copied(row: Row) -> dict[str, Any] | None:
    if row["copied_example_id"] is None:
        return None
    return {
        "example_id": str(row["copied_example_id"]),
        "revision": row["copied_revision"],
        "dialog_id": row["copied_dialog_id"],
    }


def operation(row: Row) -> dict[str, Any]:
    """Return how far an operation is, and the call that undoes it where one can."""
    undoable = row["state"] in {"done", "refused"} and row["done"] > row["undone"] + row["kept"]
    return {
        "id": str(row["id"]),
        "dataset_id": str(row["dataset_id"]),
        "action": row["action"],
        "state": row["state"],
        "total": row["total"],
        "done": row["done"],
        "failed": row["failed"],
        "undone": row["undone"],
        "kept": row["kept"],
        "asked_by": row["asked_by"],
        "asked_at": row["asked_at"].isoformat(),
        "undone_by": row["undone_by"],
        "finished_at": row["finished_at"].isoformat() if row["finished_at"] else None,
        "undo": f"/v1/operations/{row['id']}/undo" if undoable else None,
    }


def failure(row: Row, language: str) -> dict[str, Any]:
    """Return what an operation could not do: a line of an import, or an example."""
    return {
        "example_id": str(row["example_id"]) if row["example_id"] else None,
        "line": None if row["example_id"] else row["place"],
        "code": row["code"],
        "detail": row["detail_ru" if language == "ru" else "detail_en"],
        "field": row["field"],
        "message_id": row["message_id"],
    }


def revision(row: Row) -> dict[str, Any]:
    """Return a saved revision."""
    return {
        "revision": row["revision"],
        "saved_by": row["saved_by"],
        "saved_at": row["saved_at"].isoformat(),
        "tokens": row["tokens"],
        "teaches": row["teaches"],
        "answers": row["answers"],
        "messages": row["messages"],
    }


def version(row: Row) -> dict[str, Any]:
    """Return a version; its manifest is null until it is ready."""
    return {
        "dataset_id": str(row["dataset_id"]),
        "version": row["version"],
        "state": row["state"],
        "failure": row["failure"],
        "agent_id": row["agent_id"],
        "agent_version": row["agent_version"],
        "prompt_fingerprint": row["prompt_fingerprint"],
        "examples": row["examples"],
        "settings": row["settings"],
        "warnings": row["warnings"],
        "manifest": row["manifest"],
        "created_by": row["created_by"],
        "created_at": row["created_at"].isoformat(),
        "ready_at": row["ready_at"].isoformat() if row["ready_at"] else None,
        "withdrawn_at": row["withdrawn_at"].isoformat() if row["withdrawn_at"] else None,
    }


def code_count(row: Row) -> dict[str, Any]:
    """Return how often a code was found, with the first examples that still need a look."""
    return {
        "code": row["code"],
        "severity": row["severity"],
        "findings": row["findings"],
        "examples": row["examples"],
        "dismissed": row["dismissed"],
        "first": [str(one) for one in row["first"] or ()],
    } | ({"kinds": row["kinds"]} if row["kinds"] else {})


def kind_count(row: Row) -> dict[str, int]:
    """Return in how many examples a kind of personal data was found, and how often."""
    return {"examples": row["examples"], "times": row["times"]}


def split(found: Split, pending: int, least: int, around: int) -> dict[str, Any]:
    """Return what each file of a version would hold; `enough`: whether a provider would train on it.

    `around`: the tokens that prompt and functions add to every line.
    """
    tokens = {
        "training": found.training_tokens + around * found.training,
        "validation": found.validation_tokens + around * found.validation,
    }
    return {
        "validation_share": found.share,
        "default_share": found.default,
        "training": {"examples": found.training, "tokens": tokens["training"]},
        "validation": {"examples": found.validation, "tokens": tokens["validation"]},
        "twins": found.twins,
        "near_duplicates": found.near_duplicates,
        "moved": found.moved,
        "needed": least,
        "enough": found.training >= least,
        "pending": pending,
    }


def version_diff(compared: Compared) -> dict[str, Any]:
    """Return the counts of a comparison, and whether prompt and functions changed."""
    before, after = compared.before, compared.after
    return {
        "from": before["version"],
        "to": after["version"],
        "counts": dict(compared.counts),
        "agent": {
            "from": before["agent_version"],
            "to": after["agent_version"],
            "prompt_changed": before["prompt"] != after["prompt"],
            "functions_changed": before["tools"] != after["tools"],
        },
    }


def example_diff(row: Row) -> dict[str, Any]:
    """Return how an example differs; messages are only compared where its content changed."""
    gone = row["change"] == "changed" and (row["before"] is None or row["after"] is None)
    compared = row["change"] == "changed" and not gone
    return {
        "example_id": str(row["example_id"]),
        "change": row["change"],
        "from": {"revision": row["revision_before"], "part": row["part_before"]},
        "to": {"revision": row["revision_after"], "part": row["part_after"]},
        "erased": gone,
        "messages": message_changes(row["before"], row["after"]) if compared else [],
    }
