"""A fine-tuned model answers from the likest training example; a base model from its prompt."""

import json
from typing import Any

import pytest

from deploy.simulator.plain_answers import plain_answer
from deploy.simulator.recall import Recall

NONE: frozenset[str] = frozenset()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def says(text: str, **more: object) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def calls(name: str, call_id: str = "c1") -> dict[str, Any]:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": '{"city": "Tver"}'}}
    return {"role": "assistant", "tool_calls": [call]}


def result(text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "c1", "content": text}


EXAMPLES = [
    {"messages": [user("Сколько стоит доставка в Казань?"), says("Доставка в Казань стоит 300 рублей.")]},
    {"messages": [user("Как вернуть товар?"), says("Верните за 14 дней.")]},
    {"messages": [user("What are your opening hours?"), says("We open at nine.")]},
    {
        "messages": [
            user("Tell me a joke"),
            says("Untaught joke", weight=0),
            user("Another"),
            says("No jokes."),
        ]
    },
    {
        "messages": [
            user("Weather in Tver?"),
            calls("weather"),
            result("rain, 5 degrees"),
            says("Take a coat."),
        ]
    },
    {"messages": [user("Книга или фильм?"), says("Книга?"), user("Да"), says("Читайте Чехова.")]},
    {"messages": [user("Чай или кофе?"), says("Чай?"), user("Да"), says("Завариваю чай.")]},
]


@pytest.fixture(scope="module")
def recall() -> Recall:
    return Recall(EXAMPLES)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("сколько будет стоить доставить в казани", "Доставка в Казань стоит 300 рублей."),
        ("хочу возвратить товары, как?", "Верните за 14 дней."),
        ("when do you open, what hours", "We open at nine."),
    ],
)
def test_likeness_in_russian_and_english(recall: Recall, question: str, answer: str) -> None:
    found = recall.nearest([user(question)], NONE)
    assert found is not None
    assert found["content"] == answer


def test_the_context_decides_between_equal_last_messages(recall: Recall) -> None:
    for first, middle, answer in [
        ("Книга или фильм?", "Книга?", "Читайте Чехова."),
        ("Чай или кофе?", "Чай?", "Завариваю чай."),
    ]:
        found = recall.nearest([user(first), says(middle), user("Да")], NONE)
        assert found is not None
        assert found["content"] == answer


def test_an_answer_with_weight_zero_is_not_learnt(recall: Recall) -> None:
    found = recall.nearest([user("Tell me a joke")], NONE)
    assert found is None or found["content"] != "Untaught joke"


def test_calls_only_offered_functions(recall: Recall) -> None:
    found = recall.nearest([user("weather in Tver")], frozenset({"weather"}))
    assert found is not None
    assert found["tool_calls"][0]["function"]["name"] == "weather"
    other = recall.nearest([user("weather in Tver")], frozenset({"find_order"}))
    assert other is None or "tool_calls" not in other


def test_a_tool_result_gets_a_trained_answer_to_a_tool_result(recall: Recall) -> None:
    found = recall.nearest(
        [user("Weather in Tver?"), calls("weather"), result("snow")], frozenset({"weather"})
    )
    assert found is not None
    assert found["content"] == "Take a coat."


def test_nothing_alike_is_nothing(recall: Recall) -> None:
    assert recall.nearest([user("zzz qqq")], NONE) is None


TOOL = {
    "type": "function",
    "function": {
        "name": "find_order",
        "parameters": {
            "type": "object",
            "properties": {
                "number": {"type": "integer"},
                "kind": {"enum": ["new", "old"]},
                "note": {"type": "string"},
            },
            "required": ["number", "kind"],
        },
    },
}


def test_a_base_model_answers_from_its_prompt_the_same_every_time() -> None:
    asked = [{"role": "system", "content": "You sell bicycles. Be brief."}, user("Do you have helmets?")]
    first = plain_answer(asked, [TOOL], "auto")
    assert first == plain_answer(asked, [TOOL], "auto")
    assert "You sell bicycles" in first["content"]
    assert "helmets" in first["content"]


def test_a_base_model_answers_in_the_language_of_the_question() -> None:
    asked = [{"role": "system", "content": "You sell bicycles."}, user("Есть шлемы?")]
    assert plain_answer(asked, [], "auto")["content"].startswith("Спасибо")


@pytest.mark.parametrize(
    ("question", "choice"),
    [
        ("Please find order 5", "auto"),
        ("Hello", "required"),
        ("Hello", {"type": "function", "function": {"name": "find_order"}}),
    ],
)
def test_a_base_model_calls_a_function_when_asked_plainly(question: str, choice: object) -> None:
    (call,) = plain_answer([user(question)], [TOOL], choice)["tool_calls"]
    assert call["function"]["name"] == "find_order"
    assert json.loads(call["function"]["arguments"]) == {"number": 1, "kind": "new"}


def test_a_base_model_reports_a_tool_result() -> None:
    asked = [user("Find order 5"), calls("find_order"), result("on its way")]
    assert plain_answer(asked, [TOOL], "auto")["content"] == "Here is what I found: on its way"
