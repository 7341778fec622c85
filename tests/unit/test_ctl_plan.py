"""What a plan says of a broker that differs from the contracts, without any broker."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.access import SERVICES
from contracts.topics import DAY_MS, TOPICS, Topic
from deploy.ctl.plan import Found, FoundTopic, Plan, plan, wanted_acls
from deploy.ctl.topics import in_words
from deploy.ctl.wire import Acl

CHAT, ROUTED = TOPICS["chat.events"], TOPICS["agent.routed"]
DECLARED = (CHAT, ROUTED)


def found(*topics: Topic, prefix: str = "", acls: frozenset[Acl] | None = None, **other: str) -> Found:
    """A broker that has these topics, the first with other settings."""
    there = {prefix + one.name: FoundTopic(one.partitions, one.config()) for one in topics}
    if other:
        first = prefix + topics[0].name
        config = dict(there[first].config) | {name.replace("_", "."): value for name, value in other.items()}
        there[first] = FoundTopic(topics[0].partitions, config)
    return Found(there, acls)


def of(there: Found, may_lose: tuple[str, ...] = ()) -> Plan:
    return plan(DECLARED, there, may_lose=may_lose)


def test_a_broker_that_has_everything_needs_nothing() -> None:
    todo = plan(DECLARED, found(*DECLARED, acls=frozenset(wanted_acls())))
    assert (todo.changes, todo.refusals, todo.notes) == ((), (), ())
    assert "nothing to do" in in_words(todo)


def test_what_is_missing_is_made_with_all_its_settings() -> None:
    (change,) = of(found(ROUTED)).changes
    assert (change.kind, change.name, change.partitions) == ("create topic", "chat.events", 12)
    assert dict(change.values) == CHAT.config()


def test_a_longer_retention_is_set_and_a_shorter_one_refused_but_where_it_is_allowed() -> None:
    (change,) = of(found(*DECLARED, retention_ms=str(DAY_MS))).changes
    assert dict(change.values) == {"retention.ms": str(7 * DAY_MS)}
    for longer in (str(30 * DAY_MS), "-1"):
        todo = of(found(*DECLARED, retention_ms=longer))
        assert todo.changes == ()
        (refusal,) = todo.refusals
        assert refusal.name == "chat.events"
        assert "--allow-data-loss chat.events" in refusal.instead
        assert "nothing is changed" in in_words(todo)
        allowed = of(found(*DECLARED, retention_ms=longer), may_lose=("chat.events",))
        assert [one.kind for one in allowed.changes] == ["set"]
        assert allowed.refusals == ()
        assert of(found(*DECLARED, retention_ms=longer), may_lose=("agent.routed",)).refusals


@pytest.mark.parametrize(("topic", "there"), [(CHAT, "compact"), (ROUTED, "delete")])
def test_another_cleanup_is_refused_whatever_is_allowed(topic: Topic, there: str) -> None:
    broker = found(topic, *(one for one in DECLARED if one is not topic), cleanup_policy=there)
    todo = of(broker, may_lose=("chat.events", "agent.routed"))
    assert [one.name for one in todo.refusals] == [topic.name]
    assert "another name" in todo.refusals[0].instead


@pytest.mark.parametrize(("number", "says"), [(6, "keys"), (24, "cannot take any away")])
def test_another_number_of_partitions_is_refused_with_what_to_do(number: int, says: str) -> None:
    todo = of(found(replace(CHAT, partitions=number), ROUTED), may_lose=("chat.events",))
    (refusal,) = todo.refusals
    assert says in refusal.why
    assert str(number) in refusal.why
    assert refusal.instead


def test_a_topic_that_is_declared_no_longer_stays_and_others_are_nobody_s_business() -> None:
    broker = found(*DECLARED)
    extra = {
        name: FoundTopic(1, {}) for name in ("chat.events.old-svc.dlt", "payments", "chat.events.archive")
    }
    todo = of(Found({**broker.topics, **extra}, None))
    assert todo.changes == ()
    assert [note for note in todo.notes if "declared no longer" in note] == [
        "chat.events.old-svc.dlt is declared no longer; it stays: delete it by hand when nobody needs what "
        "is in it"
    ]


def test_rights_are_given_and_what_the_contracts_do_not_say_is_taken() -> None:
    wanted = wanted_acls()
    missing = Acl("User:dialog-svc", "topic", "chat.events", "literal", "Read")
    assert missing in wanted
    extra = Acl("User:dialog-svc", "topic", "agent.", "prefix", "Write")
    strangers = Acl("User:analytics", "topic", "agent.routed", "literal", "Read")
    todo = plan(DECLARED, found(*DECLARED, acls=frozenset(wanted - {missing} | {extra, strangers})))
    assert [(one.kind, one.acl) for one in todo.changes] == [("give", missing), ("take", extra)]
    assert "- take" in in_words(todo)
    assert "and all whose names begin so" in in_words(todo)


def test_two_installations_on_a_broker_leave_each_other_alone() -> None:
    both = frozenset(wanted_acls("blue.") | wanted_acls("green."))
    todo = plan(DECLARED, found(*DECLARED, prefix="blue.", acls=both), prefix="blue.")
    assert (todo.changes, todo.refusals) == ((), ())


def test_an_installation_without_a_prefix_leaves_one_with_a_prefix_alone() -> None:
    both = frozenset(wanted_acls() | wanted_acls("green."))
    todo = plan(DECLARED, found(*DECLARED, acls=both))
    assert (todo.changes, todo.refusals) == ((), ())


def test_who_serves_others_as_well_keeps_what_they_gave() -> None:
    theirs = {
        Acl("User:chat-backend", "topic", "payments", "literal", "Write"),
        Acl("User:chat-backend", "cluster", "kafka-cluster", "literal", "IdempotentWrite"),
        Acl("User:keda", "group", "billing.payments", "literal", "Describe"),
        Acl("User:keda", "topic", "*", "literal", "Describe"),
    }
    ours = Acl("User:chat-backend", "topic", "dialog.completed", "literal", "Read")
    todo = plan(DECLARED, found(*DECLARED, acls=frozenset(wanted_acls() | theirs | {ours})))
    assert [(one.kind, one.acl) for one in todo.changes] == [("take", ours)]


def test_a_compacted_topic_that_also_deletes_deletes_no_longer() -> None:
    (change,) = of(found(ROUTED, CHAT, cleanup_policy="compact,delete")).changes
    assert dict(change.values) == {"cleanup.policy": "compact"}


def test_principals_are_named_as_the_broker_knows_them() -> None:
    todo = plan(DECLARED, found(*DECLARED, acls=frozenset()), principal="User:CN={name}")
    assert {"User:CN=" + name for name in SERVICES} <= {one.name for one in todo.changes}
    assert len(todo.changes) == len(wanted_acls())


def test_a_broker_without_rights_is_said_to_have_none() -> None:
    assert any("whoever reaches it" in note for note in of(found(*DECLARED)).notes)
    unseen = replace(found(*DECLARED), rights_elsewhere=True)
    assert [note for note in of(unseen).notes if "whoever" in note] == [], "nobody has looked"


def test_a_plan_for_machines_says_the_same() -> None:
    todo = plan(DECLARED, found(ROUTED, acls=frozenset(wanted_acls())), may_lose=())
    assert todo.as_json() == {
        "changes": [
            {"kind": "create topic", "name": "chat.events", "detail": todo.changes[0].detail},
        ],
        "refusals": [],
        "notes": [],
    }
