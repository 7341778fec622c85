"""Every code that a check may give: its weight, its words, and the fixes that one call applies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chassis.errors import Text

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Code:
    """An error keeps an example out of a version, a warning is confirmed at Start, a note only tells.

    The words are templates, filled with the facts of a finding.
    """

    severity: Severity
    en: str
    ru: str
    fixes: tuple[str, ...] = ()

    def text(self, facts: dict[str, object]) -> Text:
        """Return the words about one finding."""
        return Text(self.en.format_map(facts), self.ru.format_map(facts))


def _error(en: str, ru: str, *fixes: str) -> Code:
    return Code("error", en, ru, fixes)


def _warning(en: str, ru: str, *fixes: str) -> Code:
    return Code("warning", en, ru, fixes)


CODES: dict[str, Code] = {
    "content_missing": _error(
        "The message has no content.", "В сообщении нет текста.", "delete_message", "leave_out"
    ),
    "part_not_trainable": _error(
        "The provider does not train on such a part.", "Провайдер не обучает на такой части.",
        "delete_part", "leave_out",
    ),
    "name_invalid": _error(
        "The provider does not take this name.", "Провайдер не примет такое имя.", "delete_name", "leave_out"
    ),
    "call_id_repeated": _error(
        "Two calls have the same id.", "У двух вызовов один идентификатор.", "leave_out"
    ),
    "function_name_invalid": _error(
        "The provider does not take this function name.", "Провайдер не примет такое имя функции.",
        "rename_call", "delete_call", "leave_out",
    ),
    "arguments_not_json": _error(
        "The arguments are not a JSON object.", "Аргументы — не объект JSON.",
        "set_arguments", "delete_call", "leave_out",
    ),
    "special_token": _error(
        "Text like <|…|> is refused by the provider.", "Текст вида <|…|> провайдер не принимает.",
        "delete_tokens", "leave_out",
    ),
    "hint_left": _error(
        "The hint is still in the client's message.", "Подсказка осталась в сообщении клиента.",
        "delete_hint", "leave_out",
    ),
    "tool_answer_without_call": _error(
        "It answers no call of the answer before it.", "Это ответ на вызов, которого перед ним нет.",
        "delete_message", "leave_out",
    ),
    "call_unanswered": _error(
        "The function call has no answer.", "У вызова функции нет ответа.", "delete_call", "leave_out"
    ),
    "no_trained_answer": _error(
        "No answer teaches. Edit one, or let one teach.",
        "Ни один ответ не учит. Исправьте ответ или включите обучение на нём.",
        "teach_last", "leave_out",
    ),
    "function_unknown": _error(
        "The agent has no function {function} any more.", "У агента больше нет функции {function}.",
        "rename_call", "delete_call", "leave_out",
    ),
    "arguments_mismatch": _error(
        "The arguments no longer fit the function's schema.",
        "Аргументы больше не подходят к схеме функции.",
        "set_arguments", "delete_call", "leave_out",
    ),
    "example_too_long": _warning(
        "{tokens} tokens; the model reads {limit}. Messages cut off at the end: {cut_messages}.",
        "{tokens} токенов; модель читает {limit}, последние сообщения ({cut_messages}) будут отрезаны.",
        "leave_out",
    ),
    "answer_speaks_of_hint": _warning(
        "The answer speaks of a hint that the client never gave.",
        "Ответ говорит о подсказке, которой клиент не давал.", "leave_out",
    ),
    "contradiction": _warning(
        "Another example answers the same question differently.",
        "Другой пример отвечает на тот же вопрос иначе.", "leave_out",
    ),
    "duplicate": _warning(
        "Another example is exactly the same.", "Другой пример точно такой же.", "leave_out"
    ),
    "near_duplicate": _warning(
        "Other examples say nearly the same: {others}.", "Почти то же говорят другие примеры: {others}.",
        "keep_this", "leave_out",
    ),
    "personal_data": _warning(
        "The message holds personal data. Give it pseudonyms, or allow the value where it is your own.",
        "В сообщении персональные данные. Замените их псевдонимами или разрешите значение, если оно ваше.",
        "pseudonymise", "leave_out",
    ),
    "trailing_messages_cut": Code(
        "note",
        "Messages after the last answer: {after}. They are left out of the training.",
        "Сообщения после последнего ответа: {after}. В обучение они не войдут.",
    ),
}  # fmt: skip
