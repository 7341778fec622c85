"""What the demo prints on a terminal, a narrow one, and where there is none."""

import io
import re

import pytest
from rich.console import Console

from deploy.demo.dialogs import Question
from deploy.demo.show import Show

QUESTION = Question(text="Where is [my] order?", taught="On its way.")


def a_show(*, terminal: bool, width: int = 80) -> tuple[Show, io.StringIO]:
    out = io.StringIO()
    return Show(Console(file=out, force_terminal=terminal, width=width, highlight=False)), out


def test_without_a_terminal_lines_are_plain_and_whole() -> None:
    show, out = a_show(terminal=False, width=20)
    show.step("Ask the agent a question that is longer than this console")
    show.call("GET", "dialog-svc", "/v1/dialogs?x=[red]", 200)
    show.answers(QUESTION, ("Sorry?", "gpt"), ("On its way.", "ft"))
    assert "\x1b" not in out.getvalue()
    assert "1. Ask the agent a question that is longer than this console\n" in out.getvalue()
    assert "  GET /v1/dialogs?x=[red]  dialog-svc → 200\n" in out.getvalue()
    assert "Where is [my] order?" in out.getvalue()
    assert out.getvalue().index("Sorry?") < out.getvalue().index("On its way.")


def test_without_a_terminal_a_bar_leaves_four_lines() -> None:
    show, out = a_show(terminal=False)
    with show.bar("dialogs", 1000) as bar:
        for _ in range(1000):
            bar.step()
    assert out.getvalue().split("\n") == [*(f"  dialogs {n}/1000" for n in (250, 500, 750, 1000)), ""]


@pytest.mark.parametrize("width", [30, 120])
def test_on_a_terminal_nothing_is_wider_than_it(width: int) -> None:
    show, out = a_show(terminal=True, width=width)
    with show.bar("dialogs", 10) as bar:
        show.call("POST", "agent-svc", "/v1/chat/completions", 200)
        bar.to(10, 10)
    show.answers(QUESTION, ("Sorry? " * 9, "gpt-4o"), ("On its way. " * 9, "ft:gpt-4o:x"))
    text = "".join(re.split(r"\x1b\[[0-9;?]*[A-Za-z]", out.getvalue()))
    assert "10/10" in text
    assert max(len(line) for line in re.split(r"[\r\n]", text)) <= width


def test_both_answers_are_beside_each_other_where_there_is_room() -> None:
    show, out = a_show(terminal=True, width=120)
    show.answers(QUESTION, ("Sorry?", "gpt-4o"), ("On its way.", "ft:gpt-4o:x"))
    assert any("Sorry?" in line and "On its way." in line for line in out.getvalue().split("\n"))
