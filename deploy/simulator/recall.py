"""What a fine-tuned model knows: its training examples, found again by likeness.

An answer is looked up by the conversation before it: words and pieces of words (so that Russian endings
do not matter), the last message counting most, rare words more than common ones.
"""

import json
import math
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.simulator.preferences import learned

MOST_ANSWERS = 5000
LOOK_BACK = 4
FADING = 0.4
PIECE = 4
SAME_WORDS_BONUS = 1.0
_WORD = re.compile(r"\w+")

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A trained assistant message, and what it replied to."""

    message: Message
    replied_to_tool: bool
    last_words: tuple[str, ...]


def message_text(message: Message) -> str:
    """The words of a message: its content, or the calls it makes."""
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    words = [str(part["text"]) for part in parts if isinstance(part, dict) and part.get("text")]
    for call in message.get("tool_calls") or ():
        words += [str(call["function"]["name"]), str(call["function"]["arguments"])]
    return " ".join(words)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower().replace("ё", "е"))


def _pieces(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        yield word
        for start in range(len(word) - PIECE + 1):
            yield "~" + word[start : start + PIECE]


def features(messages: Sequence[Message]) -> dict[str, float]:
    """Weighted words of the last messages of a conversation."""
    found: Counter[str] = Counter()
    weight = 1.0
    spoken = [message for message in messages if message["role"] not in ("system", "developer")]
    for message in reversed(spoken[-LOOK_BACK:]):
        for feature, count in Counter(_pieces(_words(message_text(message)))).items():
            found[feature] += weight * (1 + math.log(count))  # type: ignore[assignment]
        weight *= FADING
    return dict(found)


class Recall:
    """An index over the trained answers of one model."""

    def __init__(self, examples: Iterable[Mapping[str, Any]]) -> None:
        self.answers: list[Answer] = []
        rows: list[dict[str, float]] = []
        for example in examples:
            for before, message in _trained(example["messages"]):
                if len(rows) == MOST_ANSWERS:
                    break
                last = before[-1] if before else {"role": "user", "content": ""}
                words = tuple(_words(message_text(last)))
                self.answers.append(Answer(message, last["role"] == "tool", words))
                rows.append(features(before))
        self._index(rows)

    def _index(self, rows: Sequence[Mapping[str, float]]) -> None:
        seen = Counter(feature for row in rows for feature in row)
        self._rarity = {feature: math.log(1 + len(rows) / count) for feature, count in seen.items()}
        self._places: dict[str, array[int]] = {}
        self._weights: dict[str, array[float]] = {}
        for place, row in enumerate(rows):
            for feature, weight in self._normalised(row).items():
                self._places.setdefault(feature, array("I")).append(place)
                self._weights.setdefault(feature, array("f")).append(weight)

    def _normalised(self, row: Mapping[str, float]) -> dict[str, float]:
        weighted = {feature: weight * self._rarity.get(feature, 0.0) for feature, weight in row.items()}
        length = math.sqrt(sum(weight * weight for weight in weighted.values())) or 1.0
        return {feature: weight / length for feature, weight in weighted.items() if weight}

    def nearest(self, messages: Sequence[Message], tools: frozenset[str]) -> Message | None:
        """The trained answer to the likest conversation; None when nothing is alike.

        Answers that call a function not among `tools` are left out.
        """
        scores = [0.0] * len(self.answers)
        for feature, weight in self._normalised(features(messages)).items():
            for place, other in zip(
                self._places.get(feature, ()), self._weights.get(feature, ()), strict=True
            ):
                scores[place] += weight * other
        last_words = tuple(_words(message_text(messages[-1])))
        after_tool = messages[-1]["role"] == "tool"
        best, best_score = None, 0.0
        for answer, score in zip(self.answers, scores, strict=True):
            fits = answer.replied_to_tool == after_tool and _called(answer.message) <= tools
            total = score + (SAME_WORDS_BONUS if answer.last_words == last_words else 0.0)
            if fits and score > 0 and total > best_score:
                best, best_score = answer.message, total
        return best


def _trained(messages: Sequence[Message]) -> Iterable[tuple[Sequence[Message], Message]]:
    for place, message in enumerate(messages):
        if message["role"] == "assistant" and message.get("weight", 1) != 0:
            yield messages[:place], message


def _called(message: Message) -> frozenset[str]:
    return frozenset(call["function"]["name"] for call in message.get("tool_calls") or ())


def load_recall(paths: Sequence[Path]) -> Recall:
    """The index over training files (the newest first: equal answers prefer it)."""
    return Recall(learned(json.loads(line)) for path in paths for line in path.read_bytes().splitlines())
