"""What a test chat looks like over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from agent_svc.domain.chat_errors import explain
from agent_svc.domain.chat_tree import Chat, Column, Node
from agent_svc.outbound.test_chat_store import Row
from agent_svc.usecases.ask_models import LONGEST
from agent_svc.usecases.show_test_chat import OpenCall, Shown

GRACE = 30.0
"""Seconds beyond the longest answer after which one that is still under way counts as interrupted."""


def is_stale(node: Node, now: datetime) -> bool:
    """Tell whether an answer under way has been given up: the process that asked for it is gone."""
    return (
        node.status == "asking" and node.at is not None and (now - node.at).total_seconds() > LONGEST + GRACE
    )


def chat(shown: Shown, language: str) -> dict[str, Any]:
    """Return the whole tree, the remembered branches, and the function calls that wait for an answer."""
    one = shown.chat
    on_branch = {node.id for leaf in one.active for node in one.path(leaf)}
    return {
        "dialog_id": one.dialog_id,
        "agent_id": one.agent_id,
        "title": one.title,
        "revision": one.revision,
        "created_at": one.created_at.isoformat() if one.created_at else None,
        "columns": [column(one, number) for number in range(len(one.columns))],
        "messages": [
            message(node, language, one.seen_at) | {"active": node.id in on_branch}
            for node in sorted(one.nodes.values(), key=lambda node: node.position)
        ],
        "open_calls": [open_call(call) for call in shown.calls],
    }


def column(one: Chat, number: int) -> dict[str, Any]:
    """Return whom a column asks and where its branch ends.

    `branch` is dialog-svc's name of it, for a selection (empty: the first one).
    """
    leaf = one.active[number]
    said = next((node for node in reversed(one.path(leaf)) if node.status in {"said", "answered"}), None)
    return {
        "column": number,
        **asked(one.columns[number]),
        "message_id": leaf,
        "branch": (said.branch or "") if said else None,
    }


def asked(one: Column) -> dict[str, Any]:
    """Return whom a column asks."""
    return {"use": one.use, "model": one.model}


def message(node: Node, language: str, now: datetime) -> dict[str, Any]:
    """Return one message."""
    stale = is_stale(node, now)
    code = "interrupted" if stale else node.error
    return {
        "message_id": node.id,
        "parent_id": node.parent,
        "column": node.column,
        "role": node.role,
        "status": "failed" if stale else node.status,
        "content": node.content,
        "tool_calls": [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in node.calls
        ],
        "tool_call_id": node.call_id,
        "hint": [{"start": span.start, "end": span.end} for span in node.hint],
        "first_content": node.first,
        "replaces": node.edited,
        "model": node.model,
        "agent_version": node.agent_version,
        "branch": node.branch,
        "error": failure(code, language) if code else None,
        "at": node.at.isoformat() if node.at else None,
    }


def failure(code: str, language: str) -> dict[str, Any]:
    """Return why an answer failed, and what to do."""
    name, detail, action = explain(code)
    return {"code": name, "detail": detail.in_language(language), "action": action.in_language(language)}


def open_call(one: OpenCall) -> dict[str, Any]:
    """Return a function call that waits, prefilled with what the function really answered before."""
    likely = one.likely
    return {
        "column": one.column,
        "message_id": one.message_id,
        "tool_call_id": one.call.id,
        "name": one.call.name,
        "arguments": one.call.arguments,
        "prefill": {
            "content": likely["content"],
            "same_arguments": likely["exact"],
            "dialog_id": likely["dialog_id"],
            "at": likely["at"].isoformat(),
        }
        if likely is not None
        else None,
    }


def item(row: Row) -> dict[str, Any]:
    """Return a test chat as a list shows it."""
    return {
        "dialog_id": str(row["dialog_id"]),
        "title": row["title"],
        "columns": row["columns"],
        "messages": row["messages"],
        "created_by": row["created_by"],
        "created_at": row["created_at"].isoformat(),
        "changed_at": row["changed_at"].isoformat(),
    }
