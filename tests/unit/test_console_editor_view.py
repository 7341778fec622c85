"""The editor drawn in every state, in both languages, for those who may edit and those who may not."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from starlette.requests import Request

from console_svc.domain.language import Language
from console_svc.inbound.editor_view import Shown, Typed, drawn
from tests.unit.test_console_guard import OLGA

HOSTILE = "<script>alert(1)</script> \u202e</textarea>"
CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"order":17}'}}
CHANGES = [{"by": "<b>egor</b>", "at": "2026-01-01T00:00:00+00:00", "changes": []}]
REFUSED = {"detail": "Refused.", "action": "Do this."}
ORIGINAL: list[dict[str, Any]] = [
    {"id": "m0", "role": "user", "content": HOSTILE},
    {"id": "m1", "role": "assistant", "content": None, "tool_calls": [CALL]},
    {"id": "m2", "role": "tool", "content": '{"a":1}', "tool_call_id": "c1"},
    {"id": "gone", "role": "assistant", "content": "gone"},
    {"id": "m3", "role": "assistant", "content": "Lost.", "model": "small"},
]


def finding(code: str, message_id: str | None, *fixes: str, **facts: Any) -> dict[str, Any]:
    field = "tool_calls.0.function.arguments" if message_id == "m1" else "content"
    return {
        "code": code, "severity": "warning", "detail": f"About {code}.", "message_id": message_id,
        "field": field, "start": 0, "end": 4, "facts": facts, "fixes": [*fixes, "leave_out"],
        "with": [], "dismissed": None,
    }  # fmt: skip


def example(**more: Any) -> dict[str, Any]:
    m0, m1, m2, _, m3 = ({"inserted": False, "edited": False, **one} for one in ORIGINAL)
    edited = {"content": "Call +7 921", "edited": True, "weight": 1}
    spans = [{"kind": "phone", "start": 5, "end": 11}]
    return {
        "id": str(uuid4()), "dialog_id": HOSTILE, "source": "live", "state": "draft", "saved_revision": None,
        "unsaved_changes": True, "draft_revision": 3, "new_messages": 2, "rated_bad": True,
        "head": {"teaches": 0, "answers": 2}, "undoable": True, "redoable": False,
        "dataset_id": str(uuid4()), "agent_id": HOSTILE,
        "note": HOSTILE, "tags": [HOSTILE], "changed_by": HOSTILE,
        "changed_at": "2026-01-01T00:00:00+00:00", "original": ORIGINAL,
        "messages": [m0 | {"hint": [{"start": 0, "end": 8}]}, m1 | {"weight": 0}, m2, m3 | edited],
        "findings": [
            finding("hint_left", "m0", "delete_hint"),
            finding("arguments_mismatch", "m1", "set_arguments", misses=[{"path": "order", "rule": "type"}]),
            finding("function_name_invalid", "m1", "rename_call"),
            finding("function_unknown", "m1", "rename_call", closest="find_all"),
            finding("personal_data", "m3", "pseudonymise", kinds={"phone": 1}, spans=spans),
        ],
        "stored": [finding("duplicate", None) | {"with": [str(uuid4())]}, finding("personal_data", "m3")],
        "personal": [
            {"kind": "phone", "pseudonym": "phone-1", "places": [{"message_id": "m3", "before": "+7 921"}]}
        ],
    } | more  # fmt: skip


def draw(shown: Shown, language: Language = "en", role: str = "owner", **more: Any) -> str:
    state = SimpleNamespace(language=language, session=replace(OLGA, role=role))
    scope = {"path": "/examples/1", "query_string": b""}
    request = cast(Request, SimpleNamespace(state=state, scope=scope, headers={}))
    return bytes(drawn(request, example(**more), uuid4(), shown).body).decode()


STATES = {
    "opened": Shown(),
    "saved": Shown(undo=str(uuid4()), focus="m3"),
    "hint left": Shown(refused=REFUSED, where=["m0"], focus="m0", status=422),
    "others": Shown(changes=CHANGES),
    "changed": Shown(refused=REFUSED, changes=CHANGES, typed=Typed("text", "m3", [HOSTILE])),
    "lost": Shown(refused=REFUSED, changes=CHANGES, typed=Typed("text", "deleted", [HOSTILE])),
    "line": Shown(refused=REFUSED, typed=Typed("arguments", "m1", ["{\n,"], "c1", line=2)),
    "insert": Shown(refused=REFUSED, typed=Typed("insert", "m1", [HOSTILE], kind="user")),
    "labels": Shown(refused=REFUSED, changes=CHANGES, typed=Typed("labels", "", [HOSTILE, "a, b"])),
}


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("state", STATES)
def test_every_state_is_drawn_and_others_words_stay_text(state: str, language: Language) -> None:
    for role in ("owner", "viewer"):
        html = draw(STATES[state], language, role)
        assert "<script>alert" not in html
        assert "<b>egor" not in html
        assert html.count("<textarea") == html.count("</textarea>")
        assert "\u202e" not in html.replace("&lt;script&gt;alert(1)&lt;/script&gt; \u202e", "")
        assert ("<textarea" in html) == (role == "owner" or state == "lost")


def test_what_was_typed_stands_beside_what_stood_in_its_way() -> None:
    assert "From theirs to yours:" in draw(STATES["changed"])
    assert "is not there any more" in draw(STATES["lost"])
    assert 'data-line="2"' in draw(STATES["line"])
    assert draw(STATES["hint left"]).count('data-focus-now="always"') == 1


def test_only_what_there_is_to_do_is_offered() -> None:
    opened = draw(Shown())
    assert "The dialog went on: 2 new messages." in opened
    assert 'id="cap-save"' in opened
    saved = draw(Shown(), saved_revision=1, unsaved_changes=False, state="saved", new_messages=0)
    assert 'id="cap-save"' not in saved
    assert "The dialog went on" not in saved
    removed = draw(Shown(), state="removed")
    assert 'id="bring-back"' in removed
    assert "data-edit" not in removed
