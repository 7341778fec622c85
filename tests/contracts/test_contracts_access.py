"""Rights on the broker: what the table of topics says, and nothing more; the files are made from it."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from contracts.access import CLUSTER, OPERATOR, SERVICES, STRANGERS, Right, access
from contracts.topics import TOPICS, dead_letter_topics
from deploy.topics.__main__ import FOLDERS, ROOT, main, stale

EVERYBODY = (*SERVICES, *STRANGERS)


def may(name: str, operation: str, resource: str) -> set[str]:
    return {
        right.name for right in access()[name] if right.resource == resource and operation in right.operations
    }


@pytest.mark.parametrize("name", EVERYBODY)
def test_a_principal_has_what_the_contracts_say_and_nothing_more(name: str) -> None:
    read = {one.name for one in TOPICS.values() if name in (*one.consumers, *one.readers)}
    letters = {f"{one.name}.{name}.dlt" for one in TOPICS.values() if name in one.consumers}
    written = {one.name for one in TOPICS.values() if name in one.producers}
    assert may(name, "Read", "topic") == read
    assert may(name, "Write", "topic") == written | letters
    operations = {operation for right in access()[name] for operation in right.operations}
    assert operations <= {"Read", "Write", "Describe"}
    begins = {right.name for right in access()[name] if right.pattern == "prefix"}
    assert begins == ({"chat-backend.agent.routed"} if name == "chat-backend" else set())
    assert not may(name, "Describe", "cluster")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_its_own_groups_and_transactions_only(name: str) -> None:
    groups = {f"{name}.{one.name}" for one in TOPICS.values() if name in one.consumers}
    fenced = any(one.compacted and name in one.producers for one in TOPICS.values())
    assert may(name, "Read", "group") == groups
    assert may(name, "Write", "transactionalId") == ({f"{name}-relay-compacted"} if fenced else set())


def test_the_chat_backend_publishes_dialogs_and_follows_routes() -> None:
    assert may("chat-backend", "Write", "topic") == {"chat.events"}
    assert may("chat-backend", "Read", "topic") == {"agent.routed"}
    assert may("chat-backend", "Read", "group") == {"chat-backend.agent.routed"}, "and what begins so"


def test_nobody_but_the_operator_reads_dead_letters_or_changes_anything() -> None:
    letters = set(dead_letter_topics())
    for name in EVERYBODY:
        assert not may(name, "Read", "topic") & letters
    assert letters < may(OPERATOR, "Read", "topic")
    assert may(OPERATOR, "Alter", "cluster") == {CLUSTER}
    assert not may(OPERATOR, "Delete", "topic"), "a topic is deleted by hand or not at all"


def test_a_prefix_moves_everything_that_has_a_name_on_the_broker() -> None:
    plain, moved = access(), access("blue.")
    assert plain.keys() == moved.keys()
    for name, rights in plain.items():
        expected = [
            replace(one, name=CLUSTER if one.name == CLUSTER else f"blue.{one.name}") for one in rights
        ]
        assert list(moved[name]) == sorted(expected)


def test_the_committed_files_are_current_and_are_the_same_in_the_chart() -> None:
    assert stale() == []
    said = yaml.safe_load((ROOT / FOLDERS[0] / "access.yaml").read_text())["principals"]
    assert [one["name"] for one in said] == list(access())
    rights = {
        one["name"]: tuple(
            Right(acl["resource"], acl["name"], tuple(acl["operations"]), acl["pattern"])
            for acl in one["acls"]
        )
        for one in said
    }
    assert rights == access()
    topics = yaml.safe_load((ROOT / FOLDERS[0] / "topics.yaml").read_text())["topics"]
    assert [one["name"] for one in topics] == [*TOPICS, *dead_letter_topics()]
    assert all(one["config"]["max.message.bytes"] for one in topics)
    for name in ("topics.yaml", "access.yaml"):
        assert len({(ROOT / folder / name).read_bytes() for folder in FOLDERS}) == 1


def test_check_names_a_stale_file_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([], tmp_path) == 0
    assert main(["--check"], tmp_path) == 0
    (tmp_path / FOLDERS[1] / "access.yaml").write_text("principals: []")
    assert main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err.splitlines() == [f"stale: {FOLDERS[1]}/access.yaml"]
