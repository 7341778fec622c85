"""Every text of the pages is there in Russian, none is left over, and what others wrote is only text."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from console_svc.domain.text import pieces
from console_svc.inbound.page import HERE, environment, money, plainly
from contracts.agents import AgentRouted

METHODS = [("**.html", "jinja2"), ("**.py", "python")]
OPTIONS = {"**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}


def _said() -> dict[str | tuple[str, ...], str]:
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2), "say": (2,)}
    found = extract_from_dir(HERE, METHODS, OPTIONS, keywords=keywords)
    return {message: f"{name}:{line}" for name, line, message, *_ in found}


def _translated(language: str) -> Catalog:
    with (HERE / "locale" / f"{language}.po").open("rb") as source:
        return read_po(source, locale=language)


def test_every_text_is_translated_and_no_translation_is_left_over() -> None:
    said = _said()
    assert len(said) > 50
    ours = {message.id: message for message in _translated("ru") if message.id}
    missing = {text: where for text, where in said.items() if text not in ours or not ours[text].string}
    assert missing == {}
    assert set(ours) - set(said) == set()


def test_every_entry_of_an_audit_trail_has_words() -> None:
    named = re.compile(r"""(?:action ?= ?|(?:_note|_record)\([\w, .]*)f?"(\w+[._][\w.{}]+)\"""")
    found = {
        action
        for file in HERE.parent.parent.glob("*-svc/*_svc/**/*.py")
        for action in named.findall(file.read_text())
    }
    assert {"example.{step}", "route.{entry.reason}", "test_dialog.asked_again", "webhook_removed"} <= found
    reasons = get_args(AgentRouted.model_fields["reason"].annotation)
    filled = {
        "example.{step}": ("undo", "redo"),
        "route.{entry.reason}": reasons,
        "test_dialog.{said.role}_message": ("user", "tool"),
        "run_{wish}_asked": ("cancel", "pause", "resume"),
        "examples.{action}": ("save", "remove", "restore", "add_tags", "set_weights", "pseudonymise"),
    }
    words = (HERE / "templates" / "activity_rows.html").read_text()
    for action in found:
        for value in filled.get(action, ("",)):
            assert f'"{re.sub("{.*}", value, action)}":' in words


def test_translations_keep_what_is_filled_in_and_have_every_plural() -> None:
    catalogue = _translated("ru")
    for message in catalogue:
        assert not message.fuzzy
        assert list(message.check(catalogue)) == []
        if message.pluralizable and message.id:
            assert isinstance(message.string, tuple)
            assert len([one for one in message.string if one]) == 3


@pytest.mark.parametrize(("count", "said"), [(1, "1 сообщение"), (3, "3 сообщения"), (11, "11 сообщений")])
def test_numbers_have_their_form(count: int, said: str) -> None:
    source = '{{ ngettext("%(num)s message", "%(num)s messages", n) }}'
    assert environment("ru").from_string(source).render(n=count) == said


def test_what_others_wrote_is_neither_markup_nor_unseen() -> None:
    assert plainly("<script>&\"'") == "&lt;script&gt;&amp;&#34;&#39;"
    shown = plainly("a\u202eb\u200bc\x00")
    assert not any(one in shown for one in "\u202e\u200b\x00")
    assert "U+202E" in shown
    assert "right-to-left override" in shown
    assert "U+0000" in shown


def test_what_scripts_and_emoji_need_stays_as_it_is() -> None:
    for text in ("👩\u200d🚀 ok", "می\u200cخواهم", "строка\nи\tтабуляция", "", "❤\ufe0f"):
        assert plainly(text).unescape() == text


def test_a_hundred_kilobytes_are_no_work() -> None:
    text = "\u200b" * 50_000 + "x" * 50_000
    assert len(pieces(text)) == 50_001


def test_catalogues_are_written_as_they_are_read() -> None:
    """Broken syntax would drop what follows it without a word."""
    for path in Path(HERE / "locale").glob("*.po"):
        source = path.read_text(encoding="utf-8")
        written = [line for line in source.splitlines() if line.startswith("msgid ")]
        assert len(written) == len(read_po(io.BytesIO(source.encode()), locale=path.stem)) + 1


@pytest.mark.parametrize(
    ("microdollars", "english", "russian"),
    [
        (0, "$0.00", "0,00\xa0$"),
        (1, "< $0.01", "< 0,01\xa0$"),
        (10_000, "$0.01", "0,01\xa0$"),
        (1_234_565_000, "$1,234.56", "1\xa0234,56\xa0$"),
    ],
)
def test_money_is_in_whole_cents_and_never_nothing_when_it_is_something(
    microdollars: int, english: str, russian: str
) -> None:
    assert money(microdollars, "en") == english
    assert money(microdollars, "ru") == russian
