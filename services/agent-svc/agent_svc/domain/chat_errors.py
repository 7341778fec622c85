"""What a test chat refuses, and what its failed answers mean, in the owner's words."""

from __future__ import annotations

from collections.abc import Sequence

from agent_svc.domain.gateway_errors import ProviderRefusalError, refusal_problem
from chassis.errors import Problem, Text, not_found

AGAIN = Text("Ask again.", "Спросите ещё раз.")
FAILURES: dict[str, tuple[Text, Text]] = {
    "interrupted": (Text("The answer was interrupted.", "Ответ прервался."), AGAIN),
    "answer_too_late": (Text("The answer took too long.", "Ответ шёл слишком долго."), AGAIN),
    "answer_too_long": (Text("The answer is too long to keep.", "Ответ слишком длинный."), AGAIN),
    "answer_odd": (
        Text("The answer cannot be kept as it is.", "Ответ нельзя сохранить в таком виде."),
        AGAIN,
    ),
    "answer_empty": (Text("The model answered nothing.", "Модель ничего не ответила."), AGAIN),
}


def failure_of(refusal: ProviderRefusalError) -> str:
    """Return the code under which a provider's refusal is kept; its own words stay with it."""
    return f"{refusal.status}:{refusal.code}"


def explain(code: str) -> tuple[str, Text, Text]:
    """Return the code for the page, what happened and what to do, of a failure as it was kept."""
    if code in FAILURES:
        return code, *FAILURES[code]
    status, _, name = code.partition(":")
    problem = refusal_problem(ProviderRefusalError(int(status) if status.isdigit() else 0, name))
    return problem.code, problem.detail, problem.action or AGAIN


def no_chat() -> Problem:
    """Return the 404 for a test chat that is not there."""
    return not_found(Text("test dialog", "тестовый диалог"), "dialog_id")


def no_message() -> Problem:
    """Return the 404 for a message that is not in the test chat."""
    return not_found(Text("message in this dialog", "сообщение в этом диалоге"), "message_id")


def no_column() -> Problem:
    """Return the 422 for a column that the test chat does not have."""
    return Problem(
        422,
        "no_such_column",
        Text("This dialog has no such column.", "В этом диалоге нет такой колонки."),
        action=Text("Send 0, or 1 where two models are asked.", "Укажите 0 или, где две модели, 1."),
        field="column",
    )


def chat_changed(revision: int) -> Problem:
    """Return the 412 for a change made on an older state."""
    return Problem(
        412,
        "test_dialog_changed",
        Text("Somebody changed this dialog meanwhile.", "Этот диалог тем временем изменили."),
        action=Text("Read it again and repeat your change.", "Прочитайте его заново и повторите правку."),
        field="If-Match",
        headers={"ETag": f'"{revision}"'},
    )


def chat_full(most: int) -> Problem:
    """Return the 409 for a test chat that holds as many messages as it may."""
    return _conflict(
        "test_dialog_full",
        Text(f"A test dialog holds {most} messages.", f"В тестовом диалоге помещается {most} сообщений."),
        Text("Begin a new one.", "Начните новый."),
    )


def still_answering() -> Problem:
    """Return the 409 for a message to a model that is still answering."""
    return _conflict(
        "still_answering",
        Text("The model is still answering.", "Модель ещё отвечает."),
        Text("Wait for its answer.", "Дождитесь ответа."),
    )


def calls_unanswered(names: Sequence[str]) -> Problem:
    """Return the 409 for a client's message while functions wait for their answers."""
    listed = ", ".join(names)
    return _conflict(
        "calls_unanswered",
        Text(f"Functions wait for an answer: {listed}.", f"Ждут ответа функции: {listed}."),
        Text("Fill in what they answer.", "Заполните, что они ответили."),
    )


def no_open_call() -> Problem:
    """Return the 409 for a function's answer that nobody waits for."""
    return _conflict(
        "no_open_call",
        Text("No function waits for this answer.", "Ни одна функция не ждёт этого ответа."),
        Text("Read the dialog again.", "Прочитайте диалог заново."),
    )


def call_not_named() -> Problem:
    """Return the 422 for a function's answer that may belong to several calls."""
    return Problem(
        422,
        "call_not_named",
        Text("Several functions wait for an answer.", "Ответа ждут несколько функций."),
        action=Text("Send tool_call_id, and the column.", "Укажите tool_call_id и колонку."),
        field="tool_call_id",
    )


def not_your_own() -> Problem:
    """Return the 409 for an edit of what the model said."""
    return _conflict(
        "not_your_own",
        Text("This is the model's answer.", "Это ответ модели."),
        Text(
            "Edit your own message, or put the dialog into the dataset and correct the answer there.",
            "Измените своё сообщение или добавьте диалог в датасет и исправьте ответ там.",
        ),
    )


def not_an_answer() -> Problem:
    """Return the 409 for asking again for what is no answer."""
    return _conflict(
        "not_an_answer",
        Text("Only a model's answer can be asked for again.", "Спросить ещё раз можно только ответ модели."),
        Text("Choose an answer.", "Выберите ответ."),
    )


def hint_outside() -> Problem:
    """Return the 422 for a hint that is no stretch of the content."""
    return Problem(
        422,
        "hint_outside_content",
        Text("The hint must be a stretch of the content.", "Подсказка должна лежать внутри текста."),
        action=Text("Count code points, the end exclusive.", "Считайте символы Unicode, конец не входит."),
        field="hint",
    )


def model_unknown() -> Problem:
    """Return the 422 for a model that neither the route, nor a run, nor the catalogue knows."""
    return Problem(
        422,
        "model_unknown",
        Text("Nothing is known of this model here.", "Об этой модели здесь ничего не известно."),
        action=Text("Choose a trained model or a base model.", "Выберите обученную или базовую модель."),
        field="columns",
    )


def _conflict(code: str, detail: Text, action: Text) -> Problem:
    return Problem(409, code, detail, action=action)
