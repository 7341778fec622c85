"""What is played, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.demo.dialogs import Dialog, Question, busiest, choose_question, pick

MOST_EXAMPLES = 200


@dataclass(slots=True)
class Result:
    """What came of it; seconds by step."""

    dialogs: int = 0
    messages: int = 0
    examples: int = 0
    dataset_version: int | None = None
    run_id: str | None = None
    status: str | None = None
    model: str | None = None
    came_of: int | None = None
    answer_before: str | None = None
    answer_after: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """What is played: all dialogs, those that become examples, the agent to train, what it is asked."""

    dialogs: Sequence[Dialog]
    picked: Sequence[Dialog]
    agent: str
    question: Question

    @classmethod
    def of(cls, dialogs: Sequence[Dialog]) -> "Script":
        """Choose; raises DialogsError when nothing could be trained."""
        agent = busiest(dialogs)
        picked = pick(dialogs, agent, MOST_EXAMPLES)
        return cls(dialogs, picked, agent, choose_question(picked, agent))
