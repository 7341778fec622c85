"""How the gateway looks in the API description; what it takes is read in `gateway`, byte for byte."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from chassis import description

_ERROR = {"schema": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object"}}}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The answer, whole or as a stream", "content": {"text/event-stream": {}}},
    **{
        status: {
            "description": f"{described['description']}, in OpenAI's form",
            "content": {"application/json": _ERROR},
        }
        for status, described in description.RESPONSES.items()
    },
}
"""Refusals are errors in OpenAI's form, those of the token too."""


class ChatMessage(BaseModel):
    """A message; fields not named here pass through to the provider."""

    model_config = ConfigDict(extra="allow")

    role: str


class ChatRequest(BaseModel):
    """A chat completion request; fields not named here pass through to the provider."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field("", max_length=256)
    messages: list[ChatMessage] = Field(min_length=1, max_length=4096)
    stream: bool | None = False
