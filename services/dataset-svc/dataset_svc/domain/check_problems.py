"""Refusals about findings, fixes, and what keeps a dataset from being frozen or trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chassis.errors import Problem, Text, not_found
from dataset_svc.domain.edits import EditRefusedError


def no_such_finding() -> Problem:
    """Return the refusal to fix or dismiss what the example does not have."""
    return Problem(
        404,
        "no_such_finding",
        Text("The example has no such finding.", "У примера нет такой находки."),
        action=Text("Read its findings again.", "Прочитайте находки заново."),
        field="code",
    )


def no_such_fix(code: str, fixes: list[str]) -> Problem:
    """Return the refusal of a fix that this finding does not have."""
    return Problem(
        422,
        "no_such_fix",
        Text("The finding has no such fix.", "У находки нет такого исправления."),
        action=Text("Choose one that it has.", "Выберите одно из предложенных."),
        field="fix",
        finding=code,
        fixes=fixes,
    )


def fix_refused(error: EditRefusedError) -> Problem:
    """Return the refusal of a fix that cannot be done as asked."""
    return Problem(
        422,
        error.code,
        error.text,
        action=Text("Correct the value, or choose another fix.", "Исправьте значение или выберите другое."),
        field=error.field,
        message_id=error.message_id,
    )


def not_a_warning(code: str) -> Problem:
    """Return the refusal to dismiss an error: it has to be corrected."""
    return Problem(
        422,
        "not_a_warning",
        Text("Only a warning can be dismissed.", "Скрыть можно только предупреждение."),
        action=Text("Correct the example, or leave it out.", "Исправьте пример или исключите его."),
        field="code",
        finding=code,
    )


def nothing_personal() -> Problem:
    """Return the refusal to allow a text in which no personal data is found."""
    return Problem(
        422,
        "no_personal_data",
        Text("No single value of personal data is found in this text.",
             "В этом тексте не найдено ровно одно персональное значение."),
        action=Text("Send the value alone as it stands in the message, with its kind.",
                    "Пришлите одно значение, как оно стоит в сообщении, и его вид."),
        field="text",
    )  # fmt: skip


def too_many_allowed(most: int) -> Problem:
    """Return the refusal of one more allowed value."""
    return Problem(
        409,
        "too_many_allowed_values",
        Text(f"A dataset allows {most} values.", f"В датасете можно разрешить {most} значений."),
        action=Text("Delete some, or give the others pseudonyms.",
                    "Удалите часть или замените остальные псевдонимами."),
    )  # fmt: skip


def no_allowed_value() -> Problem:
    """Return the 404 of an allowed value."""
    return not_found(Text("allowed value", "разрешённое значение"), "value_id")


def checks_pending(pending: int) -> Problem:
    """Return the refusal to freeze before everything was checked."""
    return Problem(
        409,
        "checks_pending",
        Text(f"{pending} examples are still being checked.", f"Ещё проверяются примеры: {pending}."),
        action=Text("Freeze again in a moment.", "Повторите чуть позже."),
        headers={"Retry-After": "2"},
        pending=pending,
    )


def errors_block(counts: Sequence[dict[str, Any]]) -> Problem:
    """Return the refusal to freeze examples that a provider would refuse."""
    return Problem(
        422,
        "errors_block_freezing",
        Text("Some examples have errors.", "В некоторых примерах есть ошибки."),
        action=Text("Correct them, leave them out, or exclude them from this version.",
                    "Исправьте их, уберите или исключите из этой версии."),
        errors=list(counts),
    )  # fmt: skip


def warnings_unconfirmed(counts: Sequence[dict[str, Any]]) -> Problem:
    """Return the refusal to train before the owner confirmed the warnings once."""
    return Problem(
        409,
        "warnings_unconfirmed",
        Text("Some examples have warnings.", "У некоторых примеров есть предупреждения."),
        action=Text("Look at them and confirm them, then repeat.",
                    "Просмотрите их, подтвердите и повторите."),
        field="confirm_warnings",
        warnings=list(counts),
    )  # fmt: skip


def too_few_to_train(training: int, needed: int, validation: int, excluded: int) -> Problem:
    """Return the refusal to freeze a training file that no provider would take."""
    return Problem(
        422,
        "too_few_examples",
        Text(f"{training} examples would train, {needed} are needed.",
             f"Обучать будут {training}, нужно {needed}."),
        action=Text("Save more examples, exclude fewer, or hold back a smaller share.",
                    "Сохраните ещё примеры, исключите меньше или уменьшите долю проверки."),
        saved=training + validation + excluded,
        training=training,
        validation=validation,
        excluded=excluded,
        needed=needed,
    )  # fmt: skip


def version_unknown(versions: Sequence[int]) -> Problem:
    """Return the refusal to freeze as recorded when a version of the agent was never heard of."""
    return Problem(
        409,
        "agent_version_unknown",
        Text("Some examples were answered under versions of the agent that are not known.",
             "Часть примеров отвечена под неизвестными версиями агента."),
        action=Text("Freeze with the current version, or exclude those examples.",
                    "Заморозьте с текущей версией или исключите эти примеры."),
        field="agent",
        versions=list(versions),
    )  # fmt: skip
