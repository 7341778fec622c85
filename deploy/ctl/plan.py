"""What a broker lacks of what the contracts say, and what nobody may do to it by a command. No I/O."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from contracts.access import CLUSTER, SCALER, STRANGERS, access
from contracts.topics import Topic
from deploy.ctl.wire import Acl

FOR_EVER = -1
PRINCIPAL = "User:{name}"
NOT_OURS = {("cluster", CLUSTER)}
"""Named by the contracts, and everybody's."""


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as the broker has it: its partitions, and the settings that hold there, defaults included."""

    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """What the broker has. `acls` is None where it keeps no rights, or where they are nobody's business."""

    topics: Mapping[str, FoundTopic]
    acls: frozenset[Acl] | None
    rights_elsewhere: bool = False
    """Somebody else keeps the rights: they were not looked at."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do: a topic to make, a setting to set, a right to give or to take."""

    kind: str
    name: str
    detail: str
    values: Mapping[str, str] = field(default_factory=dict)
    partitions: int = 0
    acl: Acl | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What would lose data or order, and what a person does instead."""

    name: str
    why: str
    instead: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to do, everything refused, and what was seen besides."""

    changes: tuple[Change, ...]
    refusals: tuple[Refusal, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        changes = [
            {"kind": one.kind, "name": one.name, "detail": one.detail}
            | (one.acl._asdict() if one.acl else {})
            for one in self.changes
        ]
        return {
            "changes": changes,
            "refusals": [asdict(one) for one in self.refusals],
            "notes": list(self.notes),
        }


def plan(
    declared: Iterable[Topic],
    found: Found,
    *,
    prefix: str = "",
    principal: str = PRINCIPAL,
    may_lose: Collection[str] = (),
) -> Plan:
    """Compare; `may_lose` names topics (without prefix) whose records may go, `principal` is a template."""
    topics = list(declared)
    changes: list[Change] = []
    refusals: list[Refusal] = []
    for topic in topics:
        name = prefix + topic.name
        there = found.topics.get(name)
        if there is None:
            detail = f"{topic.partitions} partitions, {_settings(topic.config())}"
            changes.append(Change("create topic", name, detail, topic.config(), topic.partitions))
            continue
        refusals += _partitions(name, topic, there)
        settings, refused = _config(name, topic, there, may_lose)
        changes += settings
        refusals += refused
    notes = _undeclared(topics, found, prefix)
    if found.rights_elsewhere:
        notes.append("rights were not looked at: somebody else keeps them")
    elif found.acls is None:
        notes.append("the broker keeps no rights here: whoever reaches it may read and write everything")
    else:
        changes += _rights(found.acls, prefix, principal)
    return Plan(tuple(changes), tuple(refusals), tuple(notes))


def _partitions(name: str, topic: Topic, there: FoundTopic) -> Iterable[Refusal]:
    has = f"it has {there.partitions} partitions, {topic.partitions} are declared"
    if there.partitions < topic.partitions:
        yield Refusal(
            name,
            f"{has}; with more of them its keys ({topic.key}) move, and what is on its way of a key would be "
            "handled out of order",
            "stop who writes to it, wait until every group has no lag, add the partitions with "
            "kafka-topics.sh --alter, start them again; or declare the number that is there",
        )
    elif there.partitions > topic.partitions:
        yield Refusal(
            name,
            f"{has}; Kafka cannot take any away",
            f"declare {there.partitions} in contracts/topics.py",
        )


def _config(
    name: str, topic: Topic, there: FoundTopic, may_lose: Collection[str]
) -> tuple[list[Change], list[Refusal]]:
    changes, refusals = [], []
    for setting, wanted in topic.config().items():
        has = there.config.get(setting, "")
        if has == wanted:
            continue
        why = _loses(setting, has, wanted)
        if why and (setting == "cleanup.policy" or topic.name not in may_lose):
            refusals.append(Refusal(name, f"{setting} {has} → {wanted}: {why}", _instead(setting, topic)))
        else:
            changes.append(Change("set", name, f"{setting} {has or 'unset'} → {wanted}", {setting: wanted}))
    return changes, refusals


def _loses(setting: str, has: str, wanted: str) -> str:
    """Why a change of a setting would lose records; empty when it would not."""
    if setting == "cleanup.policy":
        if set(wanted.split(",")) < set(has.split(",")):
            return ""  # one of two ways in which records go is one less
        return (
            "compaction keeps only the last record of each key"
            if "compact" in wanted
            else "states would go when their time is over, and no reader could start from them"
        )
    if setting == "retention.ms" and (int(has) == FOR_EVER or 0 <= int(wanted) < int(has)):
        return "the broker deletes what is older at once"
    return ""


def _instead(setting: str, topic: Topic) -> str:
    if setting == "cleanup.policy":
        return "make a topic of another name, let everybody move to it, and delete this one by hand"
    return f"if what is older may go: --allow-data-loss {topic.name}"


def _undeclared(topics: list[Topic], found: Found, prefix: str) -> list[str]:
    """Topics that look like ours and are declared no longer; other people's are none of our business."""
    ours = {prefix + one.name for one in topics}
    like_ours = tuple(f"{prefix}{one.name}." for one in topics)
    return [
        f"{name} is declared no longer; it stays: delete it by hand when nobody needs what is in it"
        for name in sorted(found.topics.keys() - ours)
        if name.startswith(like_ours) and name.endswith(".dlt")
    ]


def wanted_acls(prefix: str = "", principal: str = PRINCIPAL) -> set[Acl]:
    """Every right of every principal, one operation each."""
    return {
        Acl(principal.format(name=name), right.resource, right.name, right.pattern, operation)
        for name, rights in access(prefix).items()
        for right in rights
        for operation in right.operations
    }


def _rights(there: frozenset[Acl], prefix: str, principal: str) -> Iterable[Change]:
    """Give what is missing; take from our principals what the contracts do not say, below our prefix."""
    wanted = wanted_acls(prefix, principal)
    extra = {one for one in there - wanted if _is_ours(one, wanted, prefix, principal)}
    for kind, some in (("give", wanted - there), ("take", extra)):
        for acl in sorted(some):
            detail = f"{acl.operation} on {acl.resource} {acl.name}"
            detail += "" if acl.pattern == "literal" else " and all whose names begin so"
            yield Change(kind, acl.principal, detail, acl=acl)


def _is_ours(acl: Acl, wanted: Collection[Acl], prefix: str, principal: str) -> bool:
    """Whether a right that the contracts do not say is ours to take.

    Not what another installation gave, with a longer prefix; and from those who serve others as well, only
    rights to what the contracts name.
    """
    if acl.principal in {principal.format(name=name) for name in (*STRANGERS, SCALER)}:
        return (acl.resource, acl.name) in {(one.resource, one.name) for one in wanted} - NOT_OURS
    if acl.principal not in {one.principal for one in wanted}:
        return False
    if acl.resource == "cluster" or acl.name == "*":
        return True
    elsewhere = (one for one in wanted if acl == one._replace(name=acl.name) and acl.name.endswith(one.name))
    return acl.name.startswith(prefix) and not any(elsewhere)


def _settings(config: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in config.items())
