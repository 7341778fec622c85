"""Topics, their Kafka settings, keys and dead letters."""

import pytest

from contracts.topics import DAY_MS, MIB, TOPICS, dead_letter_topic, dead_letter_topics, message_key

SERVICES = {"dialog-svc", "dataset-svc", "training-svc", "agent-svc"}


def test_every_topic_says_who_owns_writes_and_reads_it() -> None:
    for name, topic in TOPICS.items():
        assert name == topic.name
        assert topic.owner in SERVICES
        assert topic.owner in topic.producers or name in {"chat.events", "dialog.forgotten"}, (
            "many write to it"
        )
        assert topic.consumers
        assert set(topic.consumers) <= SERVICES, "console-svc and strangers read without a group of ours"
        assert topic.events


def test_kafka_keeps_what_the_table_says() -> None:
    kept = {
        name: (t.config()["cleanup.policy"], int(t.config().get("retention.ms", 0)) // DAY_MS)
        for name, t in TOPICS.items()
    }
    assert kept == {
        "chat.events": ("delete", 7),
        "dialog.completed": ("delete", 14),
        "dialog.forgotten": ("delete", 90),
        "agent.updated": ("delete", -1),
        "dataset.changed": ("compact", 0),
        "dataset.ready": ("delete", 90),
        "training.status": ("compact", 0),
        "model.activated": ("compact", 0),
        "agent.routed": ("compact", 0),
    }
    assert TOPICS["agent.updated"].config()["retention.ms"] == "-1"


def test_statuses_are_compacted_after_a_day_and_not_before() -> None:
    config = TOPICS["training.status"].config()
    assert config["min.compaction.lag.ms"] == config["max.compaction.lag.ms"] == str(DAY_MS)


@pytest.mark.parametrize("name", ["chat.events", "dialog.completed"])
def test_segments_with_text_last_a_day(name: str) -> None:
    assert TOPICS[name].config()["segment.ms"] == str(DAY_MS)
    for group in TOPICS[name].consumers:
        letters = dead_letter_topics()[dead_letter_topic(name, group)]
        assert letters.config()["segment.ms"] == str(DAY_MS)


def test_the_broker_itself_says_when_it_took_a_chat_event() -> None:
    assert TOPICS["chat.events"].config()["message.timestamp.type"] == "LogAppendTime"


def test_every_group_has_a_place_for_its_dead_letters() -> None:
    letters = dead_letter_topics()
    assert set(letters) == {f"{t.name}.{group}.dlt" for t in TOPICS.values() for group in t.consumers}
    for topic in TOPICS.values():
        for group in topic.consumers:
            config = letters[dead_letter_topic(topic.name, group)].config()
            assert config["retention.ms"] == str(14 * DAY_MS)
            assert int(config["max.message.bytes"]) == topic.max_message_bytes + MIB


def test_keys_of_two_pairs_never_meet() -> None:
    assert message_key("t 1", "чат/42") == b"t%201/%D1%87%D0%B0%D1%82%2F42"
    pairs = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c"), ("a", "b%2Fc"), ("", "a/b/c"), ("a", "B/c")]
    assert len({message_key(*pair) for pair in pairs}) == len(pairs)
