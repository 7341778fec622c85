"""Pages out of templates: in the reader's language, every value escaped, refusals said in place."""

from __future__ import annotations

import io
import json
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from console_svc.domain.language import Language
from console_svc.domain.reading import laid_out
from console_svc.domain.text import pieces
from console_svc.inbound.static import asset
from console_svc.outbound.backends import Refusal

HERE = Path(__file__).resolve().parent.parent
CENT, DOLLAR = 10_000, 1_000_000
"""In micro-dollars."""


@cache
def translations(language: Language) -> Translations:
    """Return the texts of a language; English is what stands in the templates."""
    compiled = io.BytesIO()
    path = HERE / "locale" / f"{language}.po"
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return Translations(compiled)


@cache
def environment(language: Language) -> Environment:
    """Return the templates of a language."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.globals["asset"] = asset
    made.filters |= {
        "plainly": plainly,
        "segment": lambda text: quote(str(text), safe=""),
        "moment": lambda text: _moment(text, language),
        "day": lambda text: format_date(date.fromisoformat(str(text)[:10]), "long", locale=language),
        "number": lambda value: format_decimal(value, locale=language),
        "money": lambda value: money(value, language),
        "share": lambda value: format_percent(value, locale=language),
        "laid_out": laid_out,
        "combined": lambda values, more: values | more,
        "as_json": lambda value: json.dumps(value, ensure_ascii=False, indent=2),
    }
    made.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    return made


def plainly(text: object) -> Markup:
    """Return what others wrote as text only, with marks where a character cannot be seen."""
    shown = [
        Markup('<span class="unseen" title="{}">{}</span>').format(name, piece) if name else escape(piece)
        for piece, name in pieces(str(text))
    ]
    return Markup("").join(shown)


def _moment(text: str, language: Language) -> Markup:
    """Return a time; the browser's own zone is known to its script only, so until then it is UTC."""
    at = datetime.fromisoformat(text)
    said = format_datetime(at, "medium", locale=language)
    return Markup('<time datetime="{}">{} UTC</time>').format(at.isoformat(), said)


def money(microdollars: int, language: Language) -> str:
    """Return an amount in dollars and whole cents; what is less than a cent, but not nothing, says so."""
    if 0 < microdollars < CENT:
        return f"< {format_currency(Decimal('0.01'), 'USD', locale=language)}"
    return str(format_currency(Decimal(microdollars) / DOLLAR, "USD", locale=language))


def say(request: Request, text: str, **values: object) -> str:
    """Return a text of ours in the reader's language."""
    said = translations(request.state.language).gettext(text)
    return said % values if values else said


def address_of(request: Request) -> str:
    """Return the path and query that were asked for, as they stand in an address."""
    query = request.scope["query_string"].decode("latin-1")
    return quote(request.scope["path"], safe="/") + (f"?{query}" if query else "")


def page(
    request: Request, template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """Return a page, or the part of one that a template is."""
    language: Language = request.state.language
    common = {
        "language": language,
        "session": request.state.session,
        "path": request.scope["path"],
        "here": address_of(request),
    }
    html = environment(language).get_template(template).render(common | values)
    return HTMLResponse(html, status, headers={"Vary": "Accept-Language, Cookie", **(headers or {})})


def told(request: Request, refusal: Refusal) -> dict[str, str]:
    """Return a refusal in the reader's words: the service's own, or that it is silent."""
    if refusal.code == "service_silent":
        return {
            "detail": say(request, "This part of the page cannot be shown: its service gives no answer."),
            "action": say(request, "The rest works. Try again in a moment."),
        }
    if refusal.status == HTTPStatus.NOT_FOUND:
        detail = refusal.detail or say(request, "There is no such page.")
        return {"detail": detail, "action": refusal.action or say(request, "Go back and try again.")}
    detail = refusal.detail or say(request, "The service refused without a reason.")
    return {"detail": detail, "action": refusal.action}
