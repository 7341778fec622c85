"""What callers see of a lineage: facts of the node, what it came of, what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from dataset_svc.domain.lineage import Place, VersionId
from dataset_svc.outbound.row import Row
from dataset_svc.usecases.trace_lineage import SHOWN, Lineage, Side

View = Callable[[Row], dict[str, Any]]
RUN_FACTS = (
    "agent_version", "prompt_fingerprint", "provider_job_id", "trained_tokens", "cost_microdollars", "error",
)  # fmt: skip


def lineage(found: Lineage, limit: int) -> dict[str, Any]:
    """Return a lineage; each list with its count, at most 200 of it, of pinned examples a page."""
    return {
        "kind": found.kind,
        "id": found.id,
        "facts": _FACTS[found.kind](found),
        "from": _before(found, limit),
        "to": _after(found),
        "serves_now": found.serves_now,
    }


def canonical_sha256(document: Any) -> str:
    """Return the SHA-256 of a JSON document, keys sorted, without spaces, in UTF-8."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _facts_of_dialog(found: Lineage) -> dict[str, Any]:
    erased = found.erased["requested_at"].isoformat() if found.erased else None
    return {"erased_at": erased, "branches": [_branch(row) for row in found.rows]}


def _branch(row: Row) -> dict[str, Any]:
    inline = row["transcript"]
    return {
        "branch": row["branch"] or None,
        "revision": row["revision"],
        "agent_id": row["agent_id"],
        "source": row["source"],
        "outcome": row["outcome"],
        "message_count": row["message_count"],
        "ended_at": row["ended_at"].isoformat(),
        "transcript_sha256": row["sha256"] if inline is None else canonical_sha256(inline),
    }


def _facts_of_example(found: Lineage) -> dict[str, Any]:
    (row,) = found.rows
    return {
        **_plain(row, "dataset_id", "agent_id", "state", "branch", "origin_revision", "source",
                 "saved_revision", "changed_by", "changed_at", "erased_at"),
        "revisions": [
            _plain(one, "revision", "content_sha256", "origin_revision", "saved_by", "saved_at")
            for one in found.revisions
        ],
    }  # fmt: skip


def _before(found: Lineage, limit: int) -> dict[str, Any]:
    if found.kind == "dialog":
        return {}
    if found.kind == "example":
        return _before_example(found)
    rows, counts = found.before.examples, found.counts
    last = rows[limit - 1] if len(rows) > limit else None
    place = Place(VersionId(last["dataset_id"], last["version"]), last["example_id"]) if last else None
    examples = {
        "count": counts["examples"] if counts else 0,
        "erased": counts["erased"] if counts else 0,
        "items": [_pinned(one) for one in rows[:limit]],
        "next_cursor": str(place) if place else None,
    }
    return _layers(found.before, models=model, runs=run, versions=version) | {"examples": examples}


def _before_example(found: Lineage) -> dict[str, Any]:
    (row,) = found.rows
    # of an example that has expired, the revisions that versions hold still tell
    named = [row["dialog_id"], row["copied_dialog_id"], *(one["dialog_id"] for one in found.revisions)]
    dialogs = list(dict.fromkeys(one for one in named if one))
    copied = row["copied_example_id"]
    origin = {"id": str(copied), "revision": row["copied_revision"]} if copied else None
    return {"dialogs": dialogs, "erased_dialogs": int(row["erased_at"] is not None), "copied_from": origin}


def _after(found: Lineage) -> dict[str, Any]:
    if found.kind == "activation":
        return {}
    side, by_route = found.after, _by_activation(found.targets)
    layers = _layers(
        side, runs=run, models=model, activations=lambda row: activation(row, by_route.get(row["id"], []))
    )
    if found.kind in {"dialog", "example"}:
        layers = _layers(side, examples=example, pins=_pin, versions=version) | layers
    return layers | {"complete": side.complete}


def _layers(side: Side, **views: View) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, view in views.items():
        rows: Sequence[Row] = getattr(side, name)
        found[name] = {"count": len(rows), "items": [view(row) for row in rows[:SHOWN]]}
    return found


def _pinned(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["example_id"]),
        "version": str(VersionId(row["dataset_id"], row["version"])),
        **_plain(row, "revision", "part", "content_sha256", "dialog_id", "origin_revision", "saved_by",
                 "saved_at", "copied_example_id", "erased"),
    }  # fmt: skip


def _pin(row: Row) -> dict[str, Any]:
    return {
        "version": str(VersionId(row["dataset_id"], row["version"])),
        **_plain(row, "example_id", "revision", "part", "content_sha256"),
    }


def example(row: Row) -> dict[str, Any]:
    """Return an example as a link; `gone`: erased, but a version held it."""
    return _plain(row, "id", "dataset_id", "state", "saved_revision", "copied_example_id", "gone")


def version(row: Row) -> dict[str, Any]:
    """Return a version as a link; its files are told by their hashes."""
    files: Mapping[str, Any] = (row["manifest"] or {"files": {}})["files"]
    return {
        "id": str(VersionId(row["dataset_id"], row["version"])),
        **_plain(row, "dataset_id", "version", "agent_id", "agent_version", "state", "examples",
                 "prompt_fingerprint", "created_by", "created_at"),
        "files": {part: one and {"uri": one["uri"], "sha256": one["sha256"]} for part, one in files.items()},
    }  # fmt: skip


def run(row: Row) -> dict[str, Any]:
    """Return a run as a link: what was asked for, and what its last status said."""
    heard = row["run"] or {}
    return {
        "id": str(row["run_id"]),
        "version": str(VersionId(row["dataset_id"], row["version"])),
        "provider": row["provider"],
        "base_model": row["settings"]["base_model"],
        **_plain(row, "settings_sha256", "status", "asked_by", "asked_at", "published_at"),
        "model": heard.get("model"),
        **{name: heard.get(name) for name in RUN_FACTS},
    }


def model(row: Row) -> dict[str, Any]:
    """Return a model as a link; `step` of a checkpoint."""
    return {"id": row["model"], **_plain(row, "provider", "run_id", "step", "heard_at")}


def activation(row: Row, targets: Sequence[Row]) -> dict[str, Any]:
    """Return an activation as a link, with the models that its route names."""
    return {
        **_plain(row, "id", "agent_id", "route_version", "reason", "because", "began_at", "ended_at",
                 "now_reason", "now_because", "now_since"),
        "serves_now": row["serves"],
        "route_sha256": canonical_sha256(row["route"]) if row["route"] else None,
        "targets": [
            _plain(one, "role", "provider", "model", "run_id", "share") | {"serves_now": one["serves"]}
            for one in targets
        ],
    }  # fmt: skip


def _by_activation(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["activation_id"], []).append(row)
    return found


def _plain(row: Row, *names: str) -> dict[str, Any]:
    return {name: _json(row[name]) for name in names}


def _json(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


_FACTS: dict[str, Callable[[Lineage], dict[str, Any]]] = {
    "dialog": _facts_of_dialog,
    "example": _facts_of_example,
    "version": lambda found: version(found.rows[0]),
    "run": lambda found: run(found.rows[0]),
    "model": lambda found: model(found.rows[0]),
    "activation": lambda found: activation(found.rows[0], found.targets),
}
