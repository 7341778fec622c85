"""Token counts: exact for text (o200k_base, offline), by the documented constants around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

MESSAGE, NAME, EXAMPLE = 3, 1, 3
FUNCTION, PROPERTIES, KEY, ENUM, ENUM_ITEM, FUNCTIONS_END = 7, 3, 3, -3, 3, 12


@cache
def _encode() -> Callable[[str], list[int]]:
    from splintr import Tokenizer  # 30 MB of tables: only where something is counted

    encode: Callable[[str], list[int]] = Tokenizer.from_pretrained("o200k_base").encode_ordinary
    return encode


def count_text(text: str) -> int:
    """Return the tokens of a text; special tokens in it count as the text that they are."""
    return len(_encode()(text)) if text else 0


def count_messages(messages: Iterable[Mapping[str, Any]]) -> list[int]:
    """Return the tokens of each message of a training line."""
    encode, counts = _encode(), []
    for message in messages:
        total, content, name = MESSAGE + _short(message["role"]), message.get("content"), message.get("name")
        if content:
            texts = (content,) if isinstance(content, str) else _parts(content)
            for text in texts:
                total += len(encode(text))
        for call in message.get("tool_calls") or ():
            total += _short(call["function"]["name"]) + len(encode(call["function"]["arguments"]))
        if name:
            total += NAME + _short(name)
        counts.append(total)
    return counts


@lru_cache(maxsize=4096)
def _short(name: str) -> int:
    return count_text(name)


def _parts(content: Iterable[Mapping[str, Any]]) -> list[str]:
    return [part["text"] for part in content if isinstance(part.get("text"), str)]


def count_example(messages: Iterable[Mapping[str, Any]]) -> int:
    """Return the tokens of a line's messages, without prompt and functions."""
    return EXAMPLE + sum(count_messages(messages))


def frame_tokens(prompt: str, tools: Iterable[Mapping[str, Any]]) -> int:
    """Return the tokens that prompt and functions add to every line."""
    system = [{"role": "system", "content": prompt}] if prompt else []
    return sum(count_messages(system)) + count_tools(tools)


def count_tools(tools: Iterable[Mapping[str, Any]]) -> int:
    """Return the tokens of function definitions by the constants documented for gpt-4o."""
    functions = [tool["function"] for tool in tools]
    return sum(map(_count_function, functions)) + (FUNCTIONS_END if functions else 0)


def _count_function(function: Mapping[str, Any]) -> int:
    described = (function.get("description") or "").removesuffix(".")
    total = FUNCTION + count_text(f"{function['name']}:{described}")
    properties = (function.get("parameters") or {}).get("properties")
    if not isinstance(properties, dict) or not properties:
        return total
    total += PROPERTIES
    for name, given in properties.items():
        schema = given if isinstance(given, dict) else {}
        total += KEY
        if choices := schema.get("enum"):
            total += ENUM + sum(ENUM_ITEM + count_text(str(choice)) for choice in choices)
        described = str(schema.get("description") or "").removesuffix(".")
        total += count_text(f"{name}:{schema.get('type', '')}:{described}")
    return total
