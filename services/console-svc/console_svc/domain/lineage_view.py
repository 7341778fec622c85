"""Lineage as a picture that one can walk: six layers from the dialog to what serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

Json = Mapping[str, Any]
KINDS = ("dialog", "example", "version", "run", "model", "activation")


@dataclass(frozen=True, slots=True)
class Node:
    """A link of the chain; `note` says which of its kind, `state` how it is."""

    kind: str
    id: str
    note: str = ""
    state: str = ""
    is_here: bool = False
    is_gone: bool = False

    @property
    def address(self) -> str:
        """Return the page on which it is in the midst."""
        return f"/lineage/{self.kind}/{quote(self.id, safe='')}"


@dataclass(frozen=True, slots=True)
class Layer:
    """What there is of one kind; `count` may be more than is shown, `cursor` leads on."""

    kind: str
    nodes: tuple[Node, ...]
    count: int
    cursor: str = ""


def layers(found: Json) -> list[Layer]:
    """Return the layers of a lineage, as dataset-svc tells it, from dialogs to activations."""
    return [_layer(found, kind) for kind in KINDS]


def _layer(found: Json, kind: str) -> Layer:
    if found["kind"] == kind:
        here = (
            Node(kind, found["id"])
            if kind == "dialog"
            else _node(kind, {**found["facts"], "id": found["id"]})
        )
        return Layer(kind, (replace(here, is_here=True),), 1)
    if kind == "dialog":
        return _dialogs(found)
    both: list[Json | None] = [found[side].get(f"{kind}s") for side in ("from", "to")]
    nothing: Json = {"count": 0, "items": ()}
    part = next((one for one in both if one and one["count"]), nothing)
    nodes = tuple(_node(kind, one) for one in part["items"])
    return Layer(kind, nodes, part["count"], part.get("next_cursor") or "")


def _dialogs(found: Json) -> Layer:
    before = found["from"]
    if "dialogs" in before:
        return _unique(before["dialogs"])
    pinned = before.get("examples", {}).get("items", ())
    return _unique([one["dialog_id"] for one in pinned if one["dialog_id"]])


def _unique(ids: Sequence[str]) -> Layer:
    nodes = tuple(Node("dialog", one) for one in dict.fromkeys(ids))
    return Layer("dialog", nodes, len(nodes))


def _node(kind: str, one: Json) -> Node:
    if kind == "example":
        note = one.get("dialog_id") or ""
        return Node(
            kind, one["id"], note, one.get("state", ""), is_gone=bool(one.get("erased") or one.get("gone"))
        )
    if kind == "version":
        return Node(kind, one["id"], str(one["version"]), one["state"])
    if kind == "run":
        return Node(kind, one["id"], one["base_model"], one["status"] or "")
    if kind == "model":
        return Node(kind, one["id"], one["id"])
    return Node(kind, one["id"], str(one["route_version"]), "serves" if one["serves_now"] else "")
