"""Reads a chat request, with the errors of the real API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.simulator import errors
from deploy.simulator.wire import integer, text

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
MOST_CHOICES, MOST_TOKENS = 8, 1_000_000


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked for; `tools` is empty when none may be called."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    tool_choice: object
    stream: bool
    include_usage: bool
    choices: int
    max_tokens: int | None


def read_chat(body: dict[str, Any]) -> ChatRequest:
    """The request, or the error that the API answers."""
    model, messages = text(body, "model"), body.get("messages")
    if messages is None:
        raise errors.missing("messages")
    if not isinstance(messages, list):
        raise errors.wrong_type("messages", "an array")
    if not messages:
        raise errors.wrong_value("messages", "must have at least one message")
    for place, message in enumerate(messages):
        _check_message(message, f"messages[{place}]")
    _check_pairs(messages)
    tools, choice = _tools(body)
    options = body.get("stream_options")
    limits = [integer(body, name, 1, MOST_TOKENS) for name in ("max_completion_tokens", "max_tokens")]
    return ChatRequest(
        model=model,
        messages=messages,
        tools=tools,
        tool_choice=choice,
        stream=body.get("stream") is True,
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        choices=integer(body, "n", 1, MOST_CHOICES) or 1,
        max_tokens=next((number for number in limits if number), None),
    )


def _check_message(message: object, at: str) -> None:
    if not isinstance(message, dict):
        raise errors.wrong_type(at, "an object")
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise errors.wrong_value(f"{at}.role", f"supported values are {sorted(ROLES)}")
    calls = message.get("tool_calls")
    if content is None and not (role == "assistant" and calls):
        raise errors.wrong_type(f"{at}.content", "a string or an array")
    if content is not None and not isinstance(content, str | list):
        raise errors.wrong_type(f"{at}.content", "a string or an array")
    if calls is not None and not (isinstance(calls, list) and all(map(_is_call, calls))):
        raise errors.wrong_type(f"{at}.tool_calls", "an array of function calls")


def _is_call(call: object) -> bool:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(call, dict):
        return False
    return all(
        isinstance(value, str) for value in (call.get("id"), function.get("name"), function.get("arguments"))
    )


def _check_pairs(messages: Sequence[Mapping[str, Any]]) -> None:
    waiting: set[str] = set()
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                raise errors.ApiError(
                    400,
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    "with 'tool_calls'.",
                    param=f"messages.[{place}].role",
                )
            waiting.discard(message["tool_call_id"])
            continue
        _refuse_waiting(waiting, place)
        waiting = {call["id"] for call in message.get("tool_calls") or ()}
    _refuse_waiting(waiting, len(messages) - 1)


def _refuse_waiting(waiting: set[str], place: int) -> None:
    if waiting:
        raise errors.ApiError(
            400,
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: "
            f"{', '.join(sorted(waiting))}",
            param=f"messages.[{place}].role",
        )


def _tools(body: dict[str, Any]) -> tuple[Sequence[Mapping[str, Any]], object]:
    tools, choice = body.get("tools") or [], body.get("tool_choice", "auto")
    if not isinstance(tools, list):
        raise errors.wrong_type("tools", "an array")
    for place, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise errors.missing(f"tools[{place}].function.name")
    if choice == "none":
        return [], choice
    if choice == "required" and not tools:
        raise errors.wrong_value("tool_choice", "'required' is only allowed when 'tools' are specified")
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if name not in {tool["function"]["name"] for tool in tools}:
            raise errors.wrong_value("tool_choice", "names a function that is not among 'tools'")
    elif choice not in ("auto", "required"):
        raise errors.wrong_value("tool_choice", "must be 'none', 'auto', 'required' or name a function")
    return tools, choice
