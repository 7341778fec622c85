"""What dialog-svc refuses, in the owner's words."""

from __future__ import annotations

from chassis.errors import Problem, Text, not_found


def no_dialog() -> Problem:
    """Return the 404 for a dialog that is not there."""
    return not_found(Text("dialog", "диалог"), "dialog_id")


def no_branch() -> Problem:
    """Return the 404 for a branch that the dialog does not have."""
    return not_found(Text("branch in this dialog", "ветка этого диалога"), "branch")


def no_message() -> Problem:
    """Return the 404 for a message that the dialog does not have."""
    return not_found(Text("message in this dialog", "сообщение этого диалога"), "message_id")


def not_an_answer() -> Problem:
    """Return the 409 for a rating of a message that is not an answer."""
    return Problem(
        409,
        "not_an_answer",
        Text("Only answers can be rated.", "Оценить можно только ответ."),
        action=Text("Rate an answer, or the dialog as a whole.", "Оцените ответ или диалог целиком."),
        field="message_id",
    )


def no_answer() -> Problem:
    """Return the 409 for a selection of a dialog in which nothing was answered yet."""
    return Problem(
        409,
        "no_finished_answer",
        Text(
            "This dialog has no finished answer to learn from yet.",
            "В этом диалоге ещё нет законченного ответа, на котором можно учить.",
        ),
        action=Text(
            "Wait for an answer or choose another dialog.", "Дождитесь ответа или выберите другой диалог."
        ),
    )


def bad_cursor() -> Problem:
    """Return the 422 for a cursor that this list did not give out."""
    return Problem(
        422,
        "cursor_invalid",
        Text("This cursor does not belong to this list.", "Этот курсор не от этого списка."),
        action=Text("Start again without a cursor.", "Начните сначала, без курсора."),
        field="cursor",
    )


def no_erasure() -> Problem:
    """Return the 404 for a request to erase that is not there."""
    return not_found(Text("request to erase", "запрос на стирание"), "erasure_id")
