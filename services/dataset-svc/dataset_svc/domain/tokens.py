"""Token counts: exact for text (o200k_base, offline), by the documented constants around it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

MESSAGE, NAME, EXAMPLE = 3, 1, 3
FUNCTION, PROPERTIES, KEY, ENUM, ENUM_ITEM, FUNCTIONS_END = 7, 3, 3, -3, 3, 12
MAX_PIECE = 100_000
"""Characters counted at once: the encoder refuses more than 1,000,000 characters or 200,000 tokens."""


@cache
def _encoding() -> Any:
    from bpe_openai import get_encoding  # 60 MB of tables: only where something is counted

    return get_encoding("o200k_base")


def count_text(text: str) -> int:
    """Return the tokens of a text; one over 100,000 characters is counted in pieces."""
    pieces = (text[at : at + MAX_PIECE] for at in range(0, len(text), MAX_PIECE))
    return sum(len(_encoding().encode_ordinary(piece)) for piece in pieces)


def count_message(message: Mapping[str, Any]) -> int:
    """Return the tokens of one message of a training line."""
    texts = [message["role"], message.get("name") or "", *_content(message.get("content"))]
    for call in message.get("tool_calls") or ():
        texts += [call["function"]["name"], call["function"]["arguments"]]
    return MESSAGE + sum(map(count_text, texts)) + (NAME if message.get("name") else 0)


def _content(content: Any) -> Iterable[str]:
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if isinstance(part.get("text"), str)]


def count_example(messages: Iterable[Mapping[str, Any]]) -> int:
    """Return the tokens of a line's messages, without prompt and functions."""
    return EXAMPLE + sum(map(count_message, messages))


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
