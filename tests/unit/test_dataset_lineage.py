"""Lineage: names of links, what a route lets answer, which models a run made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from dataset_svc.domain.lineage import (
    Place,
    VersionId,
    activation_id,
    read_place,
    read_route_id,
    read_uuid,
    read_version_id,
    route_models,
)
from dataset_svc.domain.training import models_of
from dataset_svc.inbound.lineage_views import lineage
from dataset_svc.usecases.trace_lineage import Lineage, Side

DATASET, EXAMPLE = UUID(int=7), UUID(int=8)


def target(model: str, share: float | None = None, provider: str = "openai") -> dict[str, Any]:
    found = {"model": model, "provider": provider, "key_id": "k", "run_id": None}
    return found if share is None else {**found, "share": share}


def test_versions_and_places_are_read_as_they_are_written() -> None:
    version = VersionId(DATASET, 12)
    assert read_version_id(str(version)) == version
    assert read_place(str(Place(version, EXAMPLE))) == Place(version, EXAMPLE)
    assert read_uuid(str(EXAMPLE)) == EXAMPLE


@pytest.mark.parametrize(
    "text", ["", "1", f"{DATASET}", f"{DATASET}:0", f"{DATASET}:01", f"{DATASET}:-1", f"{DATASET}:1 ",
             f"{DATASET}:1\n", f"{DATASET}:9999999999999999999", f" {DATASET}:1", f"{DATASET.hex}:1"],
)  # fmt: skip
def test_what_is_no_version_is_none(text: str) -> None:
    assert read_version_id(text) is None
    assert read_place(f"{text}:{EXAMPLE}") is None


def test_what_is_no_id_of_ours_is_none() -> None:
    assert read_uuid("d0") is None
    assert read_uuid(EXAMPLE.hex) is None
    assert read_uuid(f"{EXAMPLE}\n") is None


def test_an_example_that_has_expired_still_leads_to_its_dialog() -> None:
    """Only a revision that a version holds is left of it."""
    gone = dict.fromkeys(
        ("dataset_id", "agent_id", "branch", "origin_revision", "source", "saved_revision", "changed_by",
         "changed_at", "erased_at", "dialog_id", "copied_dialog_id", "copied_example_id", "copied_revision")
    )  # fmt: skip
    revision = dict.fromkeys(("content_sha256", "origin_revision", "saved_by", "saved_at"))
    rows: Any = [gone | {"state": "gone"}]
    left: Any = [revision | {"revision": number, "dialog_id": "d1"} for number in (2, 1)]
    found = Lineage("example", str(EXAMPLE), rows, Side(), Side(), revisions=left)
    assert lineage(found, 50)["from"]["dialogs"] == ["d1"]


def test_a_route_without_an_activation_is_named_by_its_version() -> None:
    assert activation_id("a", "shop", 3) == "a"
    assert activation_id(None, "shop:eu", 3) == "shop:eu:3"
    assert read_route_id("shop:eu:3") == ("shop:eu", 3)
    assert [read_route_id(text) for text in ("shop", ":3", "shop:", "shop:x", "shop:-3", f"a:{10**18}")] == [
        None
    ] * 6


def test_only_what_the_effective_route_names_answers() -> None:
    desired = {"targets": [target("new", 0.25), target("old", 0.75)], "fallback": target("base")}
    effective = {"targets": [target("base", 0.25), target("old", 0.75)], "fallback": target("base")}
    told = [(one.role, one.model, one.share, one.serves) for one in route_models(desired, effective)]
    assert told == [("target", "new", 0.25, False), ("target", "old", 0.75, True),
                    ("fallback", "base", None, True)]  # fmt: skip
    assert [one.serves for one in route_models(desired, None)] == [False] * 3
    elsewhere = {"targets": [target("new", 1, provider="azure")], "fallback": None}
    assert not route_models(desired, elsewhere)[0].serves
    assert route_models(None, None) == []


def test_a_run_made_its_final_model_and_the_checkpoints() -> None:
    assert models_of("ft:a", [("ft:a:10", 10), ("ft:a", 20)]) == {"ft:a:10": 10, "ft:a": None}
    assert models_of(None, [("ft:a:10", 10)]) == {"ft:a:10": 10}
    assert models_of(None, []) == {}
