"""Lines of an import: what each form takes, and that a refusal never repeats the line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis.errors import Problem
from chassis.objects import ObjectStore
from dataset_svc.domain.message import Span
from dataset_svc.inbound import json_array
from dataset_svc.inbound.json_array import as_lines
from dataset_svc.inbound.lines import read_line
from dataset_svc.usecases import read_stretch as reading
from dataset_svc.usecases.read_stretch import read_stretch

TURNS: list[dict[str, Any]] = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


def raw(messages: Any = TURNS, **more: Any) -> bytes:
    return json.dumps({"messages": messages, **more}).encode()


def test_a_weight_of_the_file_is_kept_and_is_no_edit() -> None:
    taken = read_line(raw([TURNS[0], {**TURNS[1], "weight": 0}], tools=[], extra=1), "openai")
    assert [one.weight for one in taken.draft] == [None, 0]
    assert [one.weight for one in taken.original] == [None, None]
    assert (taken.state, taken.saved) == ("saved", taken.draft)


def test_our_form_brings_everything_back() -> None:
    said = {**TURNS[0], "id": "u", "hint": [{"start": 0, "end": 2}], "author": "client", "at": "2026-01-01"}
    taken = read_line(
        raw([said, TURNS[1]], state="draft", dialog_id="d", branch=None, tags=["b", "a"], note="n",
            ratings={"": {"client": "bad"}}, original=TURNS, unknown="ignored"),
        "json",
    )  # fmt: skip
    assert taken.draft[0].hint == (Span(0, 2),)
    assert (taken.state, taken.dialog_id, taken.branch, taken.tags) == ("draft", "d", "", ("a", "b"))
    assert (taken.ratings, taken.note, len(taken.original)) == ({"": {"client": "bad"}}, "n", 2)


def test_a_copy_names_the_dialog_that_it_came_of() -> None:
    copy, own = read_line(raw(copied_dialog_id="d"), "json"), read_line(raw(dialog_id="d"), "json")
    assert (copy.dialog_id, copy.origin, own.origin) == (None, "d", "d")
    assert read_line(raw(), "json").origin is None


@pytest.mark.parametrize(
    ("line", "form", "code", "field"),
    [
        (b"{", "openai", "not_json", None),
        (b"\xff", "openai", "not_json", None),
        (b"[]", "openai", "invalid_line", None),
        (raw([]), "openai", "invalid_line", "messages"),
        (raw([{"role": "function", "content": "sk-secret"}]), "openai", "invalid_line", "messages.0.role"),
        (raw([{**TURNS[1], "function_call": {"name": "sk-secret"}}]), "openai", "invalid_line",
         "messages.0.function_call"),
        (raw([{**TURNS[0], "id": "x"}, {**TURNS[1], "id": "x"}]), "openai", "invalid_line", None),
        (raw([{**TURNS[0], "hint": [{"start": 1, "end": 9}]}]), "json", "invalid_line", "messages.0"),
        (raw(tags=["sk-secret,"]), "json", "invalid_line", "tags.0"),
        (raw(dialog_id="d", copied_dialog_id="e"), "json", "invalid_line", None),
        (raw([{**TURNS[0], "sk-secretsecretsecret": 1}]), "openai", "invalid_line", "messages.0.sk-secr…"),
    ],
)  # fmt: skip
def test_a_bad_line_is_refused_by_code_and_field(
    line: bytes, form: str, code: str, field: str | None
) -> None:
    with pytest.raises(Problem) as refused:
        read_line(line, form)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert "secret" not in f"{refused.value.detail} {refused.value}"


@pytest.mark.parametrize("ending", [b"", b"\n"])
async def test_a_file_is_read_in_stretches_of_whole_lines_and_one_too_long_is_skipped(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, ending: bytes
) -> None:
    monkeypatch.setattr(reading, "LINES", 3)
    monkeypatch.setattr(reading, "WINDOW", 16)
    monkeypatch.setattr(reading, "MAX_LINE", 64)
    lines = [b"1", b"", b"three", b"4", b"x" * 200, b"six " * 8, b"7"]
    objects = ObjectStore(tmp_path.as_uri())
    stored = await objects.put("tenants/acme/file", b"\n".join(lines) + ending)
    arguments = {"uri": stored.uri, "bytes": stored.bytes}
    found: list[tuple[int, bytes | None]] = []
    line = offset = 0
    while offset < stored.bytes:
        stretch = await read_stretch(objects, "acme", arguments, line, offset)
        assert len(stretch.lines) <= 3
        assert stretch.offset > offset
        found += stretch.lines
        line, offset = stretch.line, stretch.offset
    expected = [None if len(one) > 64 else one for one in lines]
    assert found == list(enumerate(expected, 1))


async def in_pieces(file: bytes, size: int) -> bytes:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(file), size):
            yield file[start : start + size]

    return b"".join([one async for one in as_lines(chunks())])


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("indent", [None, 2])
async def test_an_array_becomes_a_line_for_each_element_and_lines_stay_as_they_are(
    size: int, indent: int | None
) -> None:
    elements = [{"messages": TURNS, "note": 'a]"[\\ 😀'}, {"messages": [], "n": [1, 2.5, None]}, 3]
    file = b"\xef\xbb\xbf \n" + json.dumps(elements, indent=indent).encode() + b"\n"
    found = await in_pieces(file, size)
    assert [json.loads(line) for line in found.splitlines()] == elements
    lines = b"\n" + raw() + b"\n{\n[1]"
    assert await in_pieces(lines, size) == lines
    assert await in_pieces(b"[]", size) == b""


@pytest.mark.parametrize("size", [1, 10_000])
async def test_a_byte_order_mark_before_lines_is_left_out(size: int) -> None:
    assert await in_pieces(b"\xef\xbb\xbf" + raw() + b"\n", size) == raw() + b"\n"
    assert await in_pieces(b"\xef\xbb\xbf", size) == b""


async def test_an_element_longer_than_a_line_is_refused_before_it_has_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_array, "MAX_LINE", 64)
    monkeypatch.setattr(json_array, "PIECE", 16)
    short = b'"' + b"x" * 60 + b'"'
    assert len(await in_pieces(b"[" + b", ".join([short] * 9) + b"]", 10_000)) == 9 * 63
    arrived = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal arrived
        for piece in [b'[1, "', *[b"x" * 10] * 100, b'"]']:
            arrived += len(piece)
            yield piece

    with pytest.raises(Problem) as refused:
        [one async for one in as_lines(chunks())]
    assert (refused.value.code, arrived < 110) == ("element_too_long", True)


@pytest.mark.parametrize("file", [b"[1, 2", b"[1 2]", b"[1]]", b'["\xff"]', b"[" + b"1" * 40 + b"]"])
async def test_a_broken_array_is_refused_whole(file: bytes) -> None:
    with pytest.raises(Problem) as refused:
        await in_pieces(file, 3)
    assert refused.value.code == "not_json"
