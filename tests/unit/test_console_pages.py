"""What pages ask for and show, before any service is asked."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from chassis.auth import ROLES
from console_svc.domain.json_place import line_of, steps
from console_svc.domain.reading import exchanges, laid_out
from console_svc.inbound.asking import segment
from console_svc.inbound.dialog_requests import Wanted
from console_svc.inbound.json_text import Mistake
from console_svc.inbound.page import environment
from console_svc.outbound.backends import Refusal
from console_svc.usecases.cap_dialog import Capped, Dialog

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"a":"ё"}'}}


def test_a_functions_answer_stands_with_its_call() -> None:
    shown = exchanges(
        [
            {"id": "m1", "role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image_url"}]},
            {"id": "m2", "role": "assistant", "content": None, "tool_calls": [CALL], "model": "small"},
            {"id": "m3", "role": "tool", "content": "plain", "tool_call_id": "c1"},
            {"id": "m4", "role": "tool", "content": "of no call", "tool_call_id": "c9"},
            {"id": "m5", "role": "assistant", "content": None, "tool_calls": [CALL | {"id": "c2"}]},
        ]
    )
    assert [one.id for one in shown] == ["m1", "m2", "m4", "m5"]
    assert shown[0].text == "hi\n[image_url]"
    assert (shown[1].calls[0].arguments, shown[1].calls[0].answer) == ('{\n  "a": "ё"\n}', "plain")
    assert (shown[2].text, shown[3].calls[0].answer) == ("of no call", None)


@pytest.mark.parametrize("text", ["", "{", "12", '"a"', "[" * 100_000, "NaN"])
def test_what_is_no_json_object_stays_as_it_is(text: str) -> None:
    assert laid_out(text) == text


@pytest.mark.parametrize("identifier", ["", ".", ".."])
def test_no_identifier_leads_to_another_path(identifier: str) -> None:
    with pytest.raises(Refusal):
        segment(identifier)


def test_an_identifier_is_one_step_of_a_path() -> None:
    assert segment("../v1?a#b%2e") == "..%2Fv1%3Fa%23b%252e"


def test_an_address_says_what_is_chosen_and_nothing_more() -> None:
    wanted = Wanted.model_validate({"q": " два слова ", "rating": "bad", "in_dataset": "", "sort": "newest"})
    assert wanted.asked() == {"q": "два слова", "rating": "bad"}
    assert wanted.query() == "?q=%D0%B4%D0%B2%D0%B0+%D1%81%D0%BB%D0%BE%D0%B2%D0%B0&rating=bad"
    assert Wanted(sort="longest").filters() == {}
    assert Wanted().query() == ""


def test_what_cannot_be_chosen_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValidationError) as refused:
        Wanted.model_validate({"rating": "<secret>"})
    assert "<secret>" not in str(refused.value)


def test_who_may_less_is_offered_less() -> None:
    assert ROLES["viewer"] < ROLES["editor"] < ROLES["owner"]
    assert "dialogs:read" not in ROLES["operator"]


TOOLS = """[
  {
    "type": "function",
    "function": {"name": "a", "parameters": {"x,]": "\\\\"}}
  },
  {
    "function": {
      "name": "b",
      "parameters": {
        "properties": {
          "order": {"pattern": "("}
        }
      }
    }
  }
]"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("", 1),
        ("0.function.name", 4),
        ("1", 6),
        ("1.function.name", 8),
        ("1.function.parameters/properties/order/pattern", 11),
        ("1.function.missing.deeper", 7),
        ("7.function", 1),
    ],
)
def test_a_mistake_is_shown_at_its_line(place: str, line: int) -> None:
    assert line_of(TOOLS, steps(place)) == line


@pytest.mark.parametrize(
    ("is_late", "trigger", "says"),
    [(False, "delay:500ms", "on its way"), (True, "delay:5s", "longer than usual")],
)
def test_a_dialog_that_does_not_arrive_is_looked_for_more_seldom_and_says_so(
    *, is_late: bool, trigger: str, says: str
) -> None:
    shown = environment("en").get_template("cap.html").render(
        dialog=Dialog("d1", "shop"), capped=Capped(pending="e1"), refused=None, looked=20, is_late=is_late
    )  # fmt: skip
    assert trigger in shown
    assert "looked=20" in shown
    assert says in shown


def test_a_refusal_bears_what_context_managers_do_to_errors() -> None:
    for error in (Refusal(404, "not_found", ""), Mistake(1, "")):
        error.__traceback__ = None
        error.__cause__ = ValueError()
        assert len({error, error}) == 1
