"""What the gateway refuses, and what becomes of a provider's refusals."""

from __future__ import annotations

import math
from typing import Literal

from chassis.errors import Permanent, Problem, Text

Kind = Literal["gone", "key_refused", "unavailable", "busy", "rejected"]
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT, BUSY, FIRST_OWN = 401, 403, 404, 408, 429, 500
RECOVERABLE: frozenset[Kind] = frozenset({"gone", "key_refused", "unavailable"})
"""Failures of the target, which another one may not have: the fallback answers the same request."""


class ProviderRefusalError(Permanent):
    """The provider refused or did not answer. Its words stay with it; `code` and `param` are plain names."""

    def __init__(self, status: int, code: str = "", param: str = "", retry_after: str = "") -> None:
        super().__init__(f"the provider answered {status}" if status else "the provider did not answer")
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after

    @property
    def kind(self) -> Kind:
        """What the refusal says of the target."""
        if self.status == NOT_FOUND:
            return "gone"
        if self.status in {UNAUTHORIZED, FORBIDDEN}:
            return "key_refused"
        if self.status == BUSY:
            return "busy"
        if self.status >= FIRST_OWN or self.status in {0, REQUEST_TIMEOUT}:
            return "unavailable"
        return "rejected"


OUTCOMES: dict[Kind, str] = {"gone": "missing", "rejected": "refused"}


def outcome_of(error: BaseException) -> str:
    """Return one word for how asking a provider ended, as metrics name it."""
    if not isinstance(error, ProviderRefusalError):
        return "unavailable"
    return OUTCOMES.get(error.kind, error.kind)


def refusal_problem(refusal: ProviderRefusalError) -> Problem:
    """Return what the caller sees of a provider's refusal."""
    if refusal.kind == "key_refused":
        return Problem(
            502,
            "provider_key_refused",
            Text("The provider refused the key.", "Провайдер не принял ключ."),
            action=Text(
                "Paste a valid key on the agent's page.", "Вставьте действующий ключ на странице агента."
            ),
        )
    if refusal.kind == "busy":
        return Problem(
            429,
            refusal.code or "provider_busy",
            Text("The provider asks to slow down.", "Провайдер просит подождать."),
            action=Text(
                "Try again in a moment, and look at the limits of your account there.",
                "Повторите чуть позже и проверьте лимиты своего аккаунта у провайдера.",
            ),
            headers={"Retry-After": refusal.retry_after} if refusal.retry_after else {},
        )
    if refusal.kind == "rejected":
        return Problem(
            refusal.status,
            refusal.code or "provider_rejected_request",
            Text(
                "The provider does not accept this request.",
                "Провайдер не принимает этот запрос.",
            ),
            action=Text("Correct the request and send it again.", "Исправьте запрос и отправьте снова."),
            field=refusal.param or None,
        )
    if refusal.kind == "gone":
        return Problem(
            502,
            "model_not_available",
            Text("The provider does not have this model.", "У провайдера нет этой модели."),
            action=Text("Choose another model for the agent.", "Выберите для агента другую модель."),
        )
    return Problem(
        502,
        "provider_unavailable",
        Text("The provider did not answer.", "Провайдер не ответил."),
        action=Text("Try again in a moment.", "Повторите чуть позже."),
    )


def not_a_request(field: str, en: str, ru: str) -> Problem:
    """Return the 400 for a body that is not a chat request."""
    return Problem(
        400,
        "invalid_request",
        Text(en, ru),
        action=Text("Correct the field and send it again.", "Исправьте поле и отправьте снова."),
        field=field,
    )


def agent_unnamed() -> Problem:
    """Return the 400 for a request that names no agent."""
    return Problem(
        400,
        "agent_not_named",
        Text("The request names no agent.", "В запросе не назван агент."),
        action=Text("Send model agent:{id} or X-Agent-Id.", "Укажите model agent:{id} или X-Agent-Id."),
        field="model",
    )


def bad_id(header: str) -> Problem:
    """Return the 400 for an id in a header that is too long or not text."""
    return Problem(
        400,
        "id_invalid",
        Text(f"{header} is not a usable id.", f"{header} не годится как идентификатор."),
        action=Text(
            "Send 1 to 128 characters of plain text.", "Отправьте от 1 до 128 знаков обычного текста."
        ),
        field=header,
    )


def too_many_at_once() -> Problem:
    """Return the 429 for a tenant whose requests fill its share of this instance."""
    return _slow_down(
        "too_many_at_once",
        Text("Too many requests are being answered at once.", "Слишком много запросов одновременно."),
        1.0,
    )


def too_many_a_minute(wait: float) -> Problem:
    """Return the 429 for a tenant that is `wait` seconds ahead of its rate."""
    return _slow_down(
        "too_many_a_minute",
        Text("Too many requests in a minute.", "Слишком много запросов в минуту."),
        wait,
    )


def _slow_down(code: str, detail: Text, wait: float) -> Problem:
    seconds = max(1, math.ceil(wait))
    return Problem(
        429,
        code,
        detail,
        action=Text(
            f"Try again in {seconds} s, or ask the operators for more.",
            f"Повторите через {seconds} с или попросите операторов увеличить лимит.",
        ),
        headers={"Retry-After": str(seconds)},
    )
