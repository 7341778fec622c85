"""What the models refuse, what they forgive, and how they are written."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from contracts.agents import AgentRouted, FunctionSpec, Tool
from contracts.chat import ChatMessage, DialogEnded, MessagePosted
from contracts.datasets import DatasetChanged, DatasetReady
from contracts.dialogs import DialogCompleted, SameTranscript, StoredTranscript
from contracts.fingerprint import prompt_fingerprint
from contracts.generate import RELEASE, ROOT
from contracts.registry import EVENTS, UnknownEventError, parse
from contracts.topics import TOPICS
from contracts.training import KeyRefused, ModelActivated, TrainingStatus

SHA = "ab" * 32
CALL = {"id": "c-1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def _golden(event: str, name: str = "smallest") -> dict[str, Any]:
    path = ROOT / "examples" / f"v{RELEASE}" / event / f"{name}.json"
    body: dict[str, Any] = json.loads(path.read_text())["body"]
    return body


def _parse(event: str, **changes: object) -> Any:
    return parse(event, json.dumps(_golden(event) | changes).encode())


def _message(**fields: object) -> ChatMessage:
    defaults = {"id": "m", "role": "user", "content": "привет 👋", "at": "2026-11-23T10:00:00Z"}
    return ChatMessage.model_validate_json(json.dumps(defaults | fields), strict=True)


@pytest.mark.parametrize(
    "fields",
    [
        {"role": "tool"},
        {"content": None},
        {"role": "assistant", "content": None},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": None, "tool_call_id": "c-1"},
        {"role": "developer"},
        {"author": "robot"},
        {"hint": [{"start": 0, "end": 9}]},
        {"hint": [{"start": 3, "end": 3}]},
        {"hint": [{"start": 4, "end": 2}]},
        {"hint": [{"start": -1, "end": 2}]},
        {"content": [{"type": "text"}]},
        {"content": [{"text": "no type"}]},
        {"content": 5},
        {"content": {"text": "x"}},
        {"role": "assistant", "tool_calls": [CALL | {"type": "custom"}]},
        {"role": "assistant", "tool_calls": [CALL | {"function": {"name": "f", "arguments": {}}}]},
        {"at": "2026-11-23T10:00:00"},
        {"at": 1763892000},
        {"id": ""},
        {"id": "x" * 129},
        {"id": "a\x00b"},
        {"id": 7},
    ],
    ids=str,
)
def test_a_message_that_breaks_a_rule_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _message(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"hint": [{"start": 0, "end": 8}]},
        {"hint": []},
        {"content": ""},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c-1", "content": ""},
        {
            "content": [{"type": "text", "text": "one"}, {"type": "image_url"}],
            "hint": [{"start": 0, "end": 3}],
        },
        {"id": "👋" * 128},
    ],
    ids=str,
)
def test_a_message_that_keeps_the_rules_is_taken(fields: dict[str, object]) -> None:
    assert _message(**fields).id


def test_hints_count_code_points_of_the_text_parts_together() -> None:
    parts = [{"type": "text", "text": "👋🏽 a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    assert _message(content=parts, hint=[{"start": 4, "end": 5}]).text()[4:5] == "b"
    with pytest.raises(ValidationError):
        _message(content=parts, hint=[{"start": 4, "end": 6}])


def test_a_part_of_an_unknown_kind_keeps_what_it_came_with() -> None:
    part = {"type": "image_url", "image_url": {"url": "x", "detail": None}}
    written = json.loads(_message(content=[part]).model_dump_json())
    assert written["content"] == [part]


def test_a_tool_keeps_what_it_came_with() -> None:
    function = {"name": "f", "parameters": {"enum": [None], "default": None}, "strict": True}
    tool = Tool.model_validate({"type": "function", "function": function})
    assert json.loads(tool.model_dump_json())["function"] == function


def test_unknown_fields_are_ignored_at_every_level() -> None:
    body = _golden(MessagePosted.TYPE)
    body |= {"later": {"x": 1}, "message": body["message"] | {"later": [1]}}
    assert parse(MessagePosted.TYPE, json.dumps(body).encode()) == _parse(MessagePosted.TYPE)


def test_an_unknown_type_is_told_apart_from_a_bad_body() -> None:
    with pytest.raises(UnknownEventError):
        parse("chat.message_posted.v2", b"{}")
    with pytest.raises(ValidationError):
        parse("chat.message_posted.v1", b"not json")


def test_times_are_held_and_written_in_utc() -> None:
    event = _parse(DialogEnded.TYPE, at="2026-11-23T13:20:00.5+03:00")
    assert event.at == datetime(2026, 11, 23, 10, 20, 0, 500_000, tzinfo=UTC)
    assert event.at.tzinfo is UTC
    assert json.loads(event.body())["at"] == "2026-11-23T10:20:00.500000Z"


def test_our_ids_are_text_whatever_they_were_made_from() -> None:
    example = UUID("019ab000-7c1e-7000-8a4d-000000000001")
    event = DatasetChanged(dialog_id="d", example_id=example, state="saved")
    assert event.example_id == str(example)
    for bad in ("42", str(example).upper(), example.hex):
        with pytest.raises(ValidationError):
            _parse(DatasetChanged.TYPE, example_id=bad)


@pytest.mark.parametrize("event", EVENTS)
def test_an_error_never_shows_what_was_sent(event: str) -> None:
    canary = "sk-canary-0123456789"
    body = dict.fromkeys(_golden(event), canary) | {canary: canary}
    for raw in (json.dumps(body).encode(), canary.encode(), json.dumps(body).encode()[:-1]):
        with pytest.raises(ValidationError) as caught:
            parse(event, raw)
        assert canary not in str(caught.value)
        assert canary not in repr(caught.value)
        assert canary not in str(caught.value.errors(include_input=False, include_context=False))


def test_a_transcript_is_messages_or_a_reference_or_the_same_again() -> None:
    stored = _parse(DialogCompleted.TYPE, transcript={"uri": "t/x", "sha256": SHA, "bytes": 1})
    assert isinstance(stored.transcript, StoredTranscript)
    same = _parse(DialogCompleted.TYPE, revision=2, transcript={"same_as": 2})
    assert isinstance(same.transcript, SameTranscript)
    refused: tuple[dict[str, object], ...] = (
        {},
        {"uri": "t/x", "bytes": 1},
        {"uri": "t/x", "sha256": SHA.upper(), "bytes": 1},
        {"uri": "", "sha256": SHA, "bytes": 1},
        {"same_as": 0},
        {"same_as": 2},
        {"messages": []},
        {"messages": [{"id": "m"}]},
    )
    for bad in refused:
        with pytest.raises(ValidationError):
            _parse(DialogCompleted.TYPE, transcript=bad)


def _target(share: float) -> dict[str, object]:
    body = _golden(ModelActivated.TYPE)
    target: dict[str, object] = body["targets"][0]
    return target | {"share": share}


@pytest.mark.parametrize("shares", [[1.0], [0.1] * 10, [1 / 3] * 3, [0.9, 0.1], [1]])
def test_shares_sum_to_one(shares: list[float]) -> None:
    targets = [_target(share) for share in shares]
    assert len(_parse(ModelActivated.TYPE, targets=targets).targets) == len(shares)
    assert _parse(AgentRouted.TYPE, desired={"targets": targets}).desired


@pytest.mark.parametrize("shares", [[], [0.5], [0.6, 0.6], [0.0, 1.0], [1.5, -0.5], [0.9, 0.0999]])
def test_shares_that_do_not_sum_to_one_are_refused(shares: list[float]) -> None:
    targets = [_target(share) for share in shares]
    for event, changes in (
        (ModelActivated.TYPE, {"targets": targets}),
        (AgentRouted.TYPE, {"effective": {"targets": targets}}),
    ):
        with pytest.raises(ValidationError):
            _parse(event, **changes)


def test_settings_keep_their_types() -> None:
    settings = {
        "n_epochs": 3,
        "batch_size": "auto",
        "learning_rate_multiplier": 0.5,
        "packing": True,
        "x": 1.0,
    }
    event = _parse(DatasetReady.TYPE, hyperparameters=settings)
    assert {name: type(value) for name, value in event.hyperparameters.items()} == {
        name: type(value) for name, value in settings.items()
    }
    assert json.loads(event.body())["hyperparameters"] == settings


@pytest.mark.parametrize(
    "changes", [{"status": "warming_up"}, {"step": None}, {"trained_tokens": -1}, {"version": 0}]
)
def test_a_snapshot_of_a_run_speaks_our_words_only(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        _parse(TrainingStatus.TYPE, **changes)


def test_every_event_belongs_to_the_topic_that_lists_it() -> None:
    assert {name: cls.TOPIC for name, cls in EVENTS.items()} == {
        event: topic.name for topic in TOPICS.values() for event in topic.events
    }
    for cls in EVENTS.values():
        assert cls.KEY in cls.model_fields
        assert cls.model_config["hide_input_in_errors"]


def test_the_key_is_the_id_that_the_topic_is_keyed_by() -> None:
    for topic in TOPICS.values():
        for name in topic.events:
            if name != KeyRefused.TYPE:  # about a key of several runs, it travels beside them
                assert f"{topic.key}_id" == EVENTS[name].KEY
    assert _parse(KeyRefused.TYPE).key() == _golden(KeyRefused.TYPE)["key_id"]


def test_the_fingerprint_sees_content_and_not_its_order() -> None:
    one = {"type": "function", "function": {"name": "f", "parameters": {"a": 1, "b": None}}}
    two = {"function": {"parameters": {"b": None, "a": 1}, "name": "f"}, "type": "function"}
    known = "baab7ac2fe56fbc5f27ef4d70161238862311287e75da0c6df0521f50b0b64c2"
    assert prompt_fingerprint("p", [one]) == prompt_fingerprint("p", [two]) == known
    assert prompt_fingerprint("p", [Tool.model_validate(one)]) == known
    read_again = Tool.model_validate_json(Tool.model_validate(one).model_dump_json())
    assert prompt_fingerprint("p", [read_again]) == known
    assert prompt_fingerprint("p ", [one]) != known
    assert prompt_fingerprint("p", []) != known
    assert prompt_fingerprint("p", [Tool(type="function", function=FunctionSpec(name="f"))]) != known
