"""Golden messages: every event of every version, as it looks on the wire, must be readable for ever."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from contracts.asyncapi import headers_schema
from contracts.dialogs import DialogCompleted, InlineTranscript
from contracts.generate import RELEASE, ROOT, schema
from contracts.registry import EVENTS, parse
from contracts.release import SUMS, freeze, sums
from contracts.topics import message_key

EXAMPLES = ROOT / "examples"
GOLDEN = sorted(EXAMPLES.glob("v*/*/*.json"))
RELEASED = sorted(path.name for path in (ROOT / "released").glob("v*"))


def _id(path: Path) -> str:
    return str(path.relative_to(EXAMPLES))


def _read(path: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return golden


@pytest.mark.parametrize("path", GOLDEN, ids=_id)
def test_a_golden_message_parses_and_survives_being_published_again(path: Path) -> None:
    golden = _read(path)
    event = parse(golden["headers"]["ce_type"], json.dumps(golden["body"]).encode())
    assert path.parent.name == event.TYPE
    assert parse(event.TYPE, event.body()) == event
    assert golden["key"].encode() == message_key(golden["headers"]["ce_tenantid"], event.key())


@pytest.mark.parametrize("path", GOLDEN, ids=_id)
def test_a_golden_message_fits_the_published_schemas(path: Path) -> None:
    golden = _read(path)
    event = EVENTS[path.parent.name]
    Draft202012Validator(schema(event)).validate(golden["body"])
    Draft202012Validator(schema(event)).validate(json.loads(event.from_body(_body(golden)).body()))
    Draft202012Validator(headers_schema(event.TYPE)).validate(golden["headers"])


def _body(golden: dict[str, Any]) -> bytes:
    return json.dumps(golden["body"], ensure_ascii=False).encode()


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_of_the_current_version_has_three_kinds_of_golden_message(event: str) -> None:
    names = {path.stem for path in (EXAMPLES / f"v{RELEASE}" / event).glob("*.json")}
    assert {"smallest", "full"} <= names
    assert any(name.startswith("odd-") for name in names)


@pytest.mark.parametrize("event", EVENTS)
def test_full_names_every_field_and_smallest_only_the_required_ones(event: str) -> None:
    folder, fields = EXAMPLES / f"v{RELEASE}" / event, EVENTS[event].model_fields
    assert set(_read(folder / "full.json")["body"]) == set(fields)
    required = {name for name, field in fields.items() if field.is_required()}
    assert set(_read(folder / "smallest.json")["body"]) == required


def test_a_smallest_message_needs_each_of_its_fields() -> None:
    for event in EVENTS:
        body = _read(EXAMPLES / f"v{RELEASE}" / event / "smallest.json")["body"]
        for name in body:
            with pytest.raises(ValidationError):
                parse(event, json.dumps({k: v for k, v in body.items() if k != name}).encode())


def test_a_long_golden_text_comes_through_whole() -> None:
    golden = _read(EXAMPLES / "v0.1.0" / DialogCompleted.TYPE / "odd-100kb.json")
    transcript = DialogCompleted.from_body(_body(golden)).transcript
    assert isinstance(transcript, InlineTranscript)
    assert len(transcript.messages[0].text().encode()) >= 100 * 1024
    assert transcript.messages[0].content == golden["body"]["transcript"]["messages"][0]["content"]


@pytest.mark.parametrize("version", RELEASED)
def test_a_released_version_is_never_changed(version: str) -> None:
    assert sums(version) == (ROOT / "released" / version / SUMS).read_text()


def test_a_version_is_frozen_once_and_a_later_change_is_noticed(tmp_path: Path) -> None:
    for name in ("schemas/x.v1.json", "examples/v9.9.9/x.v1/smallest.json"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("{}")
    freeze("v9.9.9", tmp_path)
    noted = (tmp_path / "released" / "v9.9.9" / SUMS).read_text()
    assert sums("v9.9.9", tmp_path) == noted
    assert noted.count("\n") == 2
    (tmp_path / "examples/v9.9.9/x.v1/smallest.json").write_text("{ }")
    assert sums("v9.9.9", tmp_path) != noted
    with pytest.raises(FileExistsError):
        freeze("v9.9.9", tmp_path)
