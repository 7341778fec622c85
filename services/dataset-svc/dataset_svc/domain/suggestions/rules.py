"""The rules: each finds one reason in a branch of a dialog, or none."""

from __future__ import annotations

from collections.abc import Callable

from dataset_svc.domain.message import Message
from dataset_svc.domain.suggestions.failure import failed_answers
from dataset_svc.domain.suggestions.human import asks_for_human
from dataset_svc.domain.suggestions.reason import Name, Reason, Said
from dataset_svc.domain.suggestions.repetition import repeated

CLIENTS = {"client", None}
MOST = 200
"""Messages of the client, the last ones, that are looked at."""


def reasons_of(said: Said) -> list[Reason]:
    """Return the reasons to look at a branch, in the order of what they count."""
    found = [(name, rule(said)) for name, rule in _RULES.items()]
    return [Reason(name, ids) for name, ids in found if ids is not None]


def _rated_bad(said: Said) -> tuple[str, ...] | None:
    """The whole dialog, or an answer, was rated bad by the one whose rating counts."""
    bad = tuple(one.id for one in said.messages if one.is_answer and said.ratings.is_bad(one.id))
    return bad if bad or (said.newest and said.ratings.is_bad()) else None


def _operator_took_over(said: Said) -> tuple[str, ...] | None:
    """An operator answered where the model had answered before."""
    taken, model_spoke, before = [], False, ""
    for one in said.messages:
        if not one.is_answer:
            continue
        if one.author == "operator" and model_spoke and before != "operator":
            taken.append(one.id)
        model_spoke = model_spoke or one.author in {"model", None}
        before = one.author or "model"
    return tuple(taken) or None


def _edited_in_test_chat(said: Said) -> tuple[str, ...] | None:
    """The owner edited a message of theirs in a test chat until the answer was another one.

    What the edit added is marked there as a hint. The reason names the message and the answers that followed.
    """
    if said.source != "test":
        return None
    for place, one in enumerate(said.messages):
        if one.role == "user" and one.hint:
            answers = [after.id for after in said.messages[place + 1 :] if after.is_answer]
            return (one.id, *answers) if answers else None
    return None


def _asked_for_human(said: Said) -> tuple[str, ...] | None:
    """The client asked for a person instead of the model."""
    if said.source != "live":
        return None
    return tuple(one.id for one in _of_client(said) if asks_for_human(one.text())) or None


def _function_failed(said: Said) -> tuple[str, ...] | None:
    """A function answered with an error, or with nothing for which the model then apologised."""
    return failed_answers(said.messages) or None


def _client_repeated(said: Said) -> tuple[str, ...] | None:
    """The client said again what was said before, or complained of having to."""
    if said.source != "live":
        return None
    found = repeated([one.text() for one in _of_client(said)])
    ids = [one.id for one in _of_client(said)]
    return tuple(ids[place] for place in found) or None


def _of_client(said: Said) -> list[Message]:
    return [one for one in said.messages if one.role == "user" and one.author in CLIENTS][-MOST:]


_RULES: dict[Name, Callable[[Said], tuple[str, ...] | None]] = {
    "rated_bad": _rated_bad,
    "operator_took_over": _operator_took_over,
    "edited_in_test_chat": _edited_in_test_chat,
    "asked_for_human": _asked_for_human,
    "function_failed": _function_failed,
    "client_repeated": _client_repeated,
}
