"""The dialogs to play: reading them, and choosing what becomes an example and what is asked.

A line holds `dialog_id`, `agent_id`, `prompt`, `tools`, `outcome` and `messages` in OpenAI's form; the demo's
own also hold a `rating` and `corrections`, [{message: its place, content: the right answer}].
"""

import gzip
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from contracts.agents import Tool
from contracts.chat import Rating
from contracts.event import Label, OpaqueId, Value

OWN = Path(__file__).with_name("dialogs.jsonl")
FEWEST = 10
"""Examples without which no provider trains."""


class DialogsError(Exception):
    """The dialogs cannot be played; the text says which line and why."""


class Correction(Value):
    """The right words for the answer at a place in the dialog."""

    message: Annotated[int, Field(ge=0)]
    content: Annotated[str, Field(min_length=1)]


class Dialog(Value):
    """A finished dialog with an agent."""

    dialog_id: Annotated[OpaqueId, Field(max_length=120)]
    agent_id: OpaqueId
    prompt: str
    tools: tuple[Tool, ...] = ()
    outcome: Label | None = None
    rating: Rating | None = None
    messages: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    corrections: tuple[Correction, ...] = ()

    def message_id(self, place: int) -> str:
        """The id under which a message is published."""
        return f"{self.dialog_id}:{place}"

    @property
    def teaches(self) -> bool:
        """Whether it can become an example: it has answers, and was not bad or was put right."""
        answered = any(message["role"] == "assistant" for message in self.messages)
        return answered and (self.rating != "bad" or bool(self.corrections))

    def taught(self, place: int) -> str:
        """The words of a message as the example has them, "" for a call."""
        right = {one.message: one.content for one in self.corrections}
        content = right.get(place) or self.messages[place].get("content")
        return content if isinstance(content, str) else ""


class Question(Value):
    """What is asked before and after, and the answer that training taught."""

    text: str
    taught: str


def load(path: Path) -> list[Dialog]:
    """Read JSONL, gzipped or not; raises DialogsError naming the line that is wrong."""
    found: dict[str, Dialog] = {}
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    one = Dialog.model_validate_json(line)
                    if found.setdefault(one.dialog_id, one) is not one:
                        raise DialogsError(f"{path.name}, line {number}: dialog_id is there twice")
                    _check_corrections(one, f"{path.name}, line {number}")
    except ValidationError as error:
        first = error.errors(include_input=False, include_context=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise DialogsError(f"{path.name}, line {number}: {where}: {first['msg']}") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DialogsError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if not found:
        raise DialogsError(f"{path}: there is no dialog in it")
    return list(found.values())


def _check_corrections(dialog: Dialog, where: str) -> None:
    for place, message in enumerate(dialog.messages):
        if not isinstance(message.get("role"), str):
            raise DialogsError(f"{where}: messages.{place} has no role")
    for one in dialog.corrections:
        if one.message >= len(dialog.messages) or dialog.messages[one.message]["role"] != "assistant":
            raise DialogsError(f"{where}: there is no answer at {one.message} to correct")


def agents(dialogs: Sequence[Dialog]) -> dict[str, Dialog]:
    """For each agent a dialog whose prompt and functions it is made from: the commonest ones."""
    frames: dict[str, Counter[str]] = {}
    first: dict[tuple[str, str], Dialog] = {}
    for one in dialogs:
        frame = one.model_dump_json(include={"prompt", "tools"})
        frames.setdefault(one.agent_id, Counter())[frame] += 1
        first.setdefault((one.agent_id, frame), one)
    return {agent: first[agent, counts.most_common(1)[0][0]] for agent, counts in frames.items()}


def busiest(dialogs: Sequence[Dialog]) -> str:
    """The agent with the most dialogs; raises DialogsError when they are too few to train."""
    agent, _ = Counter(one.agent_id for one in dialogs).most_common(1)[0]
    count = sum(one.teaches for one in dialogs if one.agent_id == agent)
    if count < FEWEST:
        raise DialogsError(f"agent {agent} has {count} dialogs to learn from, training needs {FEWEST}")
    return agent


def pick(dialogs: Sequence[Dialog], agent: str, most: int) -> list[Dialog]:
    """The dialogs for the datasets: half of the room to `agent`, the rest by turns; corrected ones first."""
    by_agent: dict[str, list[Dialog]] = {}
    for one in sorted(dialogs, key=lambda one: not one.corrections):
        if one.teaches:
            by_agent.setdefault(one.agent_id, []).append(one)
    own = by_agent.pop(agent)
    turns = [one for turn in zip_longest(*by_agent.values()) for one in turn if one]
    others = turns[: most - min(len(own), most // 2)]
    return own[: most - len(others)] + others


def choose_question(picked: Sequence[Dialog], agent: str) -> Question:
    """A first message that only one of the agent's examples begins with, answered in words."""
    own = [one for one in picked if one.agent_id == agent and len(one.messages) > 1]
    opened = Counter(str(one.messages[0].get("content")).casefold() for one in own)
    for one in own:
        text, role = one.messages[0].get("content"), one.messages[0]["role"]
        answered = one.messages[1]["role"] == "assistant" and one.taught(1)
        if role == "user" and isinstance(text, str) and answered and opened[text.casefold()] == 1:
            return Question(text=text, taught=answered)
    raise DialogsError(f"no dialog of agent {agent} begins with a question that is answered in words")
