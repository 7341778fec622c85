"""How a base model answers: plainly, from its prompt and the question; the same every time."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.simulator.recall import message_text

Message = Mapping[str, Any]
LONGEST_QUOTE = 160
_SAMPLES: dict[str, object] = {"integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}


def plain_answer(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], choice: object) -> Message:
    """A polite, general answer; functions are called only when they are named or demanded."""
    last = messages[-1]
    question = message_text(last)
    demanded = _demanded(tools, choice)
    called = [demanded] if demanded else _named(tools, question) if last["role"] == "user" else []
    if called:
        return {"tool_calls": [{"function": _call(tool)} for tool in called]}
    prompt = next((message_text(m) for m in messages if m["role"] in ("system", "developer")), "")
    russian = bool(re.search("[а-яё]", question or prompt, re.IGNORECASE))
    return {"content": _russian(question, prompt, last) if russian else _english(question, prompt, last)}


def _quote(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + "…"


def _first_sentence(prompt: str) -> str:
    return _quote(re.split(r"(?<=[.!?])\s|\n", prompt.strip(), maxsplit=1)[0].rstrip(".!?"))


def _english(question: str, prompt: str, last: Message) -> str:
    if last["role"] == "tool":
        return f"Here is what I found: {_quote(question)}"
    role = f" My instructions say: {_first_sentence(prompt)}." if prompt else ""
    return (
        f"Thank you for your message: “{_quote(question)}”.{role} Could you tell me more about what you need?"
    )


def _russian(question: str, prompt: str, last: Message) -> str:
    if last["role"] == "tool":
        return f"Вот что удалось найти: {_quote(question)}"
    role = f" В моей инструкции сказано: {_first_sentence(prompt)}." if prompt else ""
    return (
        f"Спасибо за обращение: «{_quote(question)}».{role} Расскажите, пожалуйста, подробнее, что вам нужно."
    )


def _functions(tools: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [tool["function"] for tool in tools]


def _demanded(tools: Sequence[Mapping[str, Any]], choice: object) -> Mapping[str, Any] | None:
    if choice == "required":
        return _functions(tools)[0]
    if isinstance(choice, dict):
        return next(f for f in _functions(tools) if f["name"] == choice["function"]["name"])
    return None


def _named(tools: Sequence[Mapping[str, Any]], question: str) -> list[Mapping[str, Any]]:
    plain = question.lower().replace(" ", "_")
    return [f for f in _functions(tools) if f["name"].lower() in plain]


def _call(function: Mapping[str, Any]) -> dict[str, str]:
    arguments = json.dumps(_sample_arguments(function), ensure_ascii=False)
    return {"name": function["name"], "arguments": arguments}


def _sample_arguments(function: Mapping[str, Any]) -> dict[str, object]:
    schema = function.get("parameters") or {}
    properties = schema.get("properties") or {}
    return {name: _sample(properties.get(name) or {}, name) for name in schema.get("required") or ()}


def _sample(schema: Mapping[str, Any], name: str) -> object:
    if schema.get("enum"):
        first: object = schema["enum"][0]
        return first
    return _SAMPLES.get(str(schema.get("type")), name)
