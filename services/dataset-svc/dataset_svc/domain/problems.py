"""Every refusal of dataset-svc, each with a stable code and what to do."""

from __future__ import annotations

from typing import Any

from chassis.errors import Problem, Text, not_found
from dataset_svc.domain.checks import Finding
from dataset_svc.domain.edits import EditRefusedError


def no_dataset() -> Problem:
    """Return the 404 of a dataset."""
    return not_found(Text("dataset", "датасет"), "dataset_id")


def no_example(field: str = "example_id") -> Problem:
    """Return the 404 of an example."""
    return not_found(Text("example", "пример"), field)


def no_version() -> Problem:
    """Return the 404 of a version."""
    return not_found(Text("dataset version", "версия датасета"), "version")


def no_revision() -> Problem:
    """Return the 404 of a saved revision."""
    return not_found(Text("revision", "ревизия"), "revision")


def no_operation() -> Problem:
    """Return the 404 of an operation."""
    return not_found(Text("operation", "операция"), "operation_id")


def stale(current: int, changes: list[dict[str, Any]]) -> Problem:
    """Return the 412 that names who changed what since the caller read."""
    return Problem(
        412,
        "example_changed",
        Text("Somebody changed this example meanwhile.", "Пример тем временем изменили."),
        action=Text("Read it again and repeat your change.", "Прочитайте его заново и повторите правку."),
        field="If-Match",
        headers={"ETag": etag(current)},
        changes=changes,
    )


def if_match_required() -> Problem:
    """Return the refusal of a change that does not say what it was made on."""
    return Problem(
        428,
        "if_match_required",
        Text("The request carries no usable If-Match.", "В запросе нет годного If-Match."),
        action=Text("Send the ETag that you read.", "Пришлите прочитанный ETag."),
        field="If-Match",
    )


def etag(revision: int) -> str:
    """Return the ETag of a working copy."""
    return f'"{revision}"'


def removed() -> Problem:
    """Return the refusal of a change to a removed example."""
    return Problem(
        409,
        "example_removed",
        Text("The example was removed.", "Пример удалён."),
        action=Text("Restore it, or press the cap on its dialog.",
                    "Восстановите его или возьмите диалог снова."),
    )  # fmt: skip


def unsaved_changes() -> Problem:
    """Return the refusal of a change that would save what somebody has not saved yet."""
    return Problem(
        409,
        "unsaved_changes",
        Text("The example has edits that are not saved.", "В примере есть несохранённые правки."),
        action=Text("Save or discard them, then repeat.", "Сохраните или отмените их и повторите."),
    )


def not_undoable(state: str) -> Problem:
    """Return the refusal to undo what goes on or was undone already."""
    return Problem(
        409,
        "not_undoable",
        Text("This operation cannot be undone now.", "Эту операцию сейчас нельзя отменить."),
        action=Text("Wait until it is done; what was undone stays so.",
                    "Дождитесь её конца; отменённое остаётся отменённым."),
        state=state,
    )  # fmt: skip


def no_step(step: str) -> Problem:
    """Return the refusal to undo or redo when there is nothing to."""
    undo = step == "undo"
    return Problem(
        409,
        "nothing_to_undo" if undo else "nothing_to_redo",
        Text("There is nothing to undo.", "Отменять нечего.")
        if undo
        else Text("There is nothing to do again.", "Повторять нечего."),
        action=Text("Go back to a saved revision or to the original.",
                    "Вернитесь к сохранённой ревизии или к оригиналу."),
    )  # fmt: skip


def changed_since() -> Problem:
    """Return the refusal to undo what somebody changed again."""
    return Problem(
        409,
        "changed_since",
        Text("The example was changed again since.", "Пример с тех пор снова изменили."),
        action=Text("Revert it to the revision you want.", "Верните нужную ревизию примера."),
    )


def same_dataset() -> Problem:
    """Return the refusal to copy an example into the dataset that it is in."""
    return Problem(
        422,
        "same_dataset",
        Text("The example is in this dataset.", "Пример уже в этом датасете."),
        action=Text("Copy it into another agent's dataset.", "Копируйте его в датасет другого агента."),
        field="from_example_id",
    )


def nothing_new() -> Problem:
    """Return the refusal to add messages when the dialog did not go on."""
    return Problem(
        409,
        "nothing_new",
        Text("The dialog has no newer messages.", "В диалоге нет новых сообщений."),
        action=Text("Look again when the dialog has gone on.", "Вернитесь, когда диалог продолжится."),
    )


def upload_incomplete() -> Problem:
    """Return the refusal of a file that did not arrive whole."""
    return Problem(
        400,
        "upload_incomplete",
        Text("The file did not arrive whole; nothing of it was taken.",
             "Файл пришёл не целиком, ничего из него не взято."),
        action=Text("Send it again.", "Пришлите его снова."),
    )  # fmt: skip


def upload_empty() -> Problem:
    """Return the refusal of a file without a single byte."""
    return Problem(
        422,
        "upload_empty",
        Text("There is nothing in the file.", "В файле ничего нет."),
        action=Text("Send lines of JSON as the body.", "Пришлите строки JSON в теле запроса."),
    )


def refused(error: EditRefusedError) -> Problem:
    """Return the refusal of a change, for a list of what failed."""
    return Problem(422, error.code, error.text, field=error.field, message_id=error.message_id)


def edit_refused(error: EditRefusedError, place: int) -> Problem:
    """Return the refusal of the operation at `place` of the request; nothing of the request was done."""
    return Problem(
        422,
        error.code,
        error.text,
        action=Text("Correct this operation; none of the request was applied.",
                    "Исправьте эту операцию; из запроса ничего не применено."),
        field=f"operations.{place}.{error.field}",
        message_id=error.message_id,
        places=list(error.places),
    )  # fmt: skip


def unsound(errors: list[Finding], language: str = "en") -> Problem:
    """Return the refusal to save an example that has errors: the first one leads, all are listed."""
    first = errors[0]
    return Problem(
        422,
        first.code,
        first.text,
        action=Text("Correct what was found in the example, then save it again.",
                    "Исправьте найденное в примере и сохраните его снова."),
        field=first.field,
        message_id=first.message_id,
        findings=[finding_json(one, language) for one in errors],
    )  # fmt: skip


def finding_json(finding: Finding, language: str = "en") -> dict[str, Any]:
    """Return a finding for a caller."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "detail": finding.text.in_language(language),
        "message_id": finding.message_id,
        "field": finding.field,
        "start": finding.at.start if finding.at else None,
        "end": finding.at.end if finding.at else None,
        "facts": dict(finding.facts),
        "fixes": list(finding.fixes),
    }


def bad_cursor(of: Text) -> Problem:
    """Return the refusal of a cursor that no page of such things (in the genitive) gave."""
    return Problem(
        422,
        "bad_cursor",
        Text(f"This is no cursor of a page of {of.en}.", f"Это не курсор страницы {of.ru}."),
        action=Text("Send `next_cursor` as you got it.", "Пришлите `next_cursor` как получили."),
        field="cursor",
    )


def dialog_erased() -> Problem:
    """Return the refusal to take an erased dialog."""
    return Problem(
        410,
        "dialog_erased",
        Text("The dialog was erased.", "Диалог стёрт."),
        action=Text("Take another dialog.", "Возьмите другой диалог."),
        field="dialog_id",
    )


def agent_unknown() -> Problem:
    """Return the refusal to freeze before the agent's prompt is known."""
    return Problem(
        409,
        "agent_unknown",
        Text("The agent's prompt and functions have not arrived.", "Промпт и функции агента не пришли."),
        action=Text("Save the agent once, then freeze.", "Сохраните агента и повторите."),
    )


def no_provider_key(provider: str) -> Problem:
    """Return the refusal to train without the owner's key."""
    return Problem(
        409,
        "no_provider_key",
        Text(f"The agent has no key for {provider}.", f"У агента нет ключа {provider}."),
        action=Text("Enter the provider key on the agent's page.",
                    "Введите ключ провайдера на странице агента."),
        field="provider",
        provider=provider,
    )  # fmt: skip


def key_cannot_train(provider: str, because: str | None) -> Problem:
    """Return the refusal to train by a key of which it is known that it cannot."""
    return Problem(
        409,
        "key_cannot_train",
        Text(f"The key for {provider} cannot train.", f"Ключ {provider} не может обучать."),
        action=Text("Use a key of an organisation that may train, or another provider.",
                    "Возьмите ключ организации, которой можно обучать, или другого провайдера."),
        field="provider",
        provider=provider,
        because=because,
    )  # fmt: skip


def run_in_progress(run_id: str) -> Problem:
    """Return the refusal of a second run with the same version, provider and settings."""
    return Problem(
        409,
        "run_in_progress",
        Text("The same training runs already.", "Такое же обучение уже идёт."),
        action=Text("Follow that run, or change the settings.", "Следите за ним или смените настройки."),
        run_id=run_id,
    )


def version_failed(failure: str | None) -> Problem:
    """Return the refusal to train on a version that could not be frozen."""
    return Problem(
        409,
        "version_failed",
        Text("The version could not be frozen.", "Версию не удалось заморозить."),
        action=Text("Freeze a new version.", "Заморозьте новую версию."),
        failure=failure,
    )


def version_withdrawn(version: int) -> Problem:
    """Return the refusal to use a version that held an erased dialog."""
    return Problem(
        409,
        "version_withdrawn",
        Text("A dialog in this version was erased, and its files were deleted.",
             "Один из диалогов этой версии стёрт, её файлы удалены."),
        action=Text("Rebuild it without that dialog, then train the new version.",
                    "Соберите её заново без этого диалога и обучайте на новой версии."),
        version=version,
    )  # fmt: skip


def version_whole() -> Problem:
    """Return the refusal to rebuild a version that was not withdrawn."""
    return Problem(
        409,
        "version_whole",
        Text("This version was not withdrawn: there is nothing to rebuild.",
             "Эта версия не отозвана: собирать заново нечего."),
        action=Text("Use it as it is, or freeze a new one.",
                    "Используйте её как есть или заморозьте новую."),
    )  # fmt: skip


def train_scope_missing() -> Problem:
    """Return the refusal of freeze-with-train to someone who may only freeze."""
    return Problem(
        403,
        "scope_missing",
        Text("This needs the right train.", "Для этого нужно право train."),
        action=Text("Ask an owner of the account for it.", "Попросите его у владельца аккаунта."),
        field="train",
    )
