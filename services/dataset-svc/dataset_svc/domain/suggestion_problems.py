"""What the queue of suggestions refuses."""

from __future__ import annotations

from chassis.errors import Problem, Text, not_found


def no_suggestion() -> Problem:
    """Return the 404 of a suggestion."""
    return not_found(Text("suggestion", "предложение"), "dialog_id")


def already_accepted(example_id: str) -> Problem:
    """Return the refusal to skip or put off what is in the dataset."""
    return Problem(
        409,
        "already_accepted",
        Text("The dialog is in the dataset already.", "Диалог уже в датасете."),
        action=Text("Remove its example if you do not want it.", "Если он не нужен, удалите его пример."),
        field="dialog_id",
        example_id=example_id,
    )


def text_expired() -> Problem:
    """Return the refusal to accept a dialog whose text is not kept any more."""
    return Problem(
        409,
        "text_expired",
        Text("The dialog's text is not kept here any more.", "Текст диалога здесь больше не хранится."),
        action=Text(
            "Open the dialog and take it into the dataset from there: that brings its text again.",
            "Откройте диалог и добавьте его в датасет оттуда: так придёт и его текст.",
        ),
        field="dialog_id",
    )


def snooze_in_the_past() -> Problem:
    """Return the refusal to put off until a time that is over."""
    return Problem(
        422,
        "snooze_in_the_past",
        Text("This time is over.", "Это время уже прошло."),
        action=Text("Choose a time to come.", "Выберите время в будущем."),
        field="until",
    )
