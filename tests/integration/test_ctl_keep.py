"""`mortarboardctl backup`, `restore` and `events republish`, as an operator types them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from chassis import published, tombstones
from chassis.consumer import Consumer
from chassis.tombstones import Tombstone
from contracts.dialogs import DialogErased
from deploy.ctl import places
from deploy.stack.services import Surroundings
from dialog_svc.outbound.transcripts import folder_of
from tests.harness import now, until
from tests.integration.kit import Noting, kit
from tests.integration.test_lost_topic import RATED, emptied, lose, make_again, publish
from tests.integration.test_publishing import rated, relaying
from tests.operators import Ctl, name_object, operators_tool


@pytest.fixture
def ctl(surroundings: Surroundings, tmp_path: Path) -> Ctl:
    """Runs a command with the settings of this test's servers."""
    return operators_tool(surroundings, tmp_path)


async def test_a_backup_made_by_hand_is_restored_by_hand(
    surroundings: Surroundings, ctl: Ctl, tmp_path: Path
) -> None:
    async with kit(surroundings) as parts, parts.database.transaction() as transaction:
        transaction.publish(rated("d", 1), tenant="acme")
    (surroundings.objects / "tenants").mkdir()
    (surroundings.objects / "tenants" / "one").write_bytes(b"an object")
    made = ctl("backup", "--to", str(tmp_path / "backups"))
    assert made.returncode == 0, made.stderr
    (folder,) = (tmp_path / "backups").iterdir()
    assert str(folder) in made.stdout
    assert "1 objects" in made.stdout
    refused = ctl("restore", "--from", str(folder))
    assert refused.returncode == 1
    assert "the database is not empty" in refused.stderr
    await surroundings.databases.drop(surroundings.database)
    await surroundings.databases.create(surroundings.database)
    (surroundings.objects / "tenants" / "one").unlink()
    done = ctl("restore", "--from", str(folder))
    assert done.returncode == 0, done.stderr
    assert (surroundings.objects / "tenants" / "one").read_bytes() == b"an object"
    async with surroundings.databases.connection(surroundings.database) as admin:
        assert await admin.fetchval("SELECT count(*) FROM dialog_svc.outbox") == 1
        assert await admin.fetchval("SELECT last_sequence FROM dialog_svc.outbox_keys") == 1_000_001
        migrations = await admin.fetchval("SELECT count(*) FROM dialog_svc.schema_migrations")
    assert migrations > 5, "the services' own migrations go on from there"
    async with kit(surroundings) as parts, parts.database.transaction() as transaction:
        transaction.publish(rated("d", 2), tenant="acme")  # with the rights that roles had


async def test_lost_objects_are_named_at_once_and_a_backup_goes_on_without_them_if_told(
    surroundings: Surroundings, ctl: Ctl, tmp_path: Path
) -> None:
    objects, backups = surroundings.objects, tmp_path / "backups"
    for name in ("whole", "gone-1", "gone-2", "damaged"):
        await name_object(surroundings, f"tenants/{name}", name.encode())
    (objects / "tenants").mkdir()
    (objects / "tenants" / "whole").write_bytes(b"whole")
    refused = ctl("backup", "--to", str(backups))
    assert refused.returncode == 1
    for name in ("gone-1", "gone-2", "damaged"):
        assert f"missing  tenants/{name} (dataset_svc.candidates)" in refused.stderr
    assert "--without-lost" in refused.stderr
    assert not list(backups.glob("*/manifest.json"))
    (objects / "tenants" / "damaged").write_bytes(b"something else")
    refused = ctl("backup", "--to", str(tmp_path / "again"))
    assert "2 objects that rows name are lost" in refused.stderr, "what is damaged is seen when it is copied"

    made = ctl("backup", "--to", str(tmp_path / "without"), "--without-lost")
    assert made.returncode == 0, made.stderr
    assert "damaged  tenants/damaged" in made.stdout
    (folder,) = (tmp_path / "without").iterdir()
    lost = json.loads((folder / "manifest.json").read_text())["lost"]
    assert [(one["path"], one["state"]) for one in lost] == [
        ("tenants/damaged", "damaged"),
        ("tenants/gone-1", "missing"),
        ("tenants/gone-2", "missing"),
    ]

    await surroundings.databases.drop(surroundings.database)
    await surroundings.databases.create(surroundings.database)
    (objects / "tenants" / "damaged").write_bytes(b"damaged")  # repaired meanwhile
    (folder / "objects" / "tenants" / "whole").write_bytes(b"spoiled")
    spoiled = ctl("restore", "--from", str(folder))
    assert "1 objects are missing from the backup, or damaged in it:\n  tenants/whole" in spoiled.stderr
    (folder / "objects" / "tenants" / "whole").unlink()
    refused = ctl("restore", "--from", str(folder))
    assert refused.returncode == 1
    assert "1 objects are missing from the backup, or damaged in it:\n  tenants/whole" in refused.stderr
    done = ctl("restore", "--from", str(folder), "--without-lost")
    assert done.returncode == 0, done.stderr
    assert "without 4 objects that are lost" in done.stdout
    for name in ("whole", "damaged"):
        assert (objects / "tenants" / name).read_bytes() == name.encode(), "nothing worse is put over it"
    (objects / "tenants" / "whole").unlink()
    checked = ctl("objects", "check", "--rows")
    assert checked.returncode == 1
    assert "lacks 3 objects that rows name" in checked.stderr
    assert "missing  tenants/whole (dataset_svc.candidates)" in checked.stderr
    for name in ("whole", "gone-1", "gone-2"):
        (objects / "tenants" / name).write_bytes(name.encode())
    checked = ctl("objects", "check", "--rows")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "all 4 objects that rows name are there" in checked.stdout


async def test_transcripts_of_erased_dialogs_are_not_lost_though_rows_name_them_still(
    surroundings: Surroundings, ctl: Ctl, tmp_path: Path
) -> None:
    """dialog-svc deletes them at once; dataset-svc lets go when it hears of it, or when it runs again."""
    for dialog in ("erased", "lost"):
        await name_object(surroundings, f"{folder_of('acme', dialog)}one.json", b"text")
    async with kit(surroundings) as parts, parts.database.transaction() as transaction:
        await tombstones.put(
            transaction.connection, [Tombstone("acme", "dialog", "erased", datetime.now(UTC), None)]
        )
    for command in (("backup", "--to", str(tmp_path / "backups")), ("objects", "check", "--rows")):
        refused = ctl(*command)
        assert refused.returncode == 1
        assert f"missing  {folder_of('acme', 'lost')}one.json" in refused.stderr
        assert folder_of("acme", "erased") not in refused.stderr, "who read it might put it back"


@pytest.mark.parametrize(
    ("spoiled", "says"),
    [
        ("manifest.json", "no manifest.json"),
        ("objects.jsonl", "objects.jsonl is damaged"),
        ("dialog_svc.dump", "dialog_svc.dump is damaged"),
    ],
)
async def test_a_backup_that_is_not_whole_is_refused(
    surroundings: Surroundings, ctl: Ctl, tmp_path: Path, spoiled: str, says: str
) -> None:
    assert ctl("backup", "--to", str(tmp_path / "backups")).returncode == 0
    (folder,) = (tmp_path / "backups").iterdir()
    if spoiled == "manifest.json":
        (folder / spoiled).unlink()
    else:
        (folder / spoiled).write_bytes((folder / spoiled).read_bytes()[:-1] + b"?")
    await surroundings.databases.drop(surroundings.database)
    await surroundings.databases.create(surroundings.database)
    refused = ctl("restore", "--from", str(folder))
    assert refused.returncode == 1
    assert says in refused.stderr


async def test_published_events_go_back_into_the_outbox_by_hand(surroundings: Surroundings, ctl: Ctl) -> None:
    async with kit(surroundings) as parts:
        async with parts.database.transaction() as transaction:
            transaction.publish(rated("d", 1), tenant="acme")
            transaction.publish(rated("d", 1), tenant="globex")
        async with parts.database.transaction() as transaction:
            connection = transaction.connection
            ids = [row["id"] for row in await connection.fetch("SELECT id FROM outbox")]
            await published.take_over(connection, "log", "dialog-svc", ids)
    done = ctl("events", "republish", "dialog.completed", "--tenant", "acme")
    assert done.returncode == 0, done.stderr
    assert "dialog_svc: 1 events of dialog.completed" in done.stdout
    assert "what is in it already comes first" in done.stdout
    async with surroundings.databases.connection(surroundings.database) as admin:
        assert await admin.fetchval("SELECT tenant_id FROM dialog_svc.outbox") == "acme"
        assert await admin.fetchval("SELECT tenant_id FROM dialog_svc.published") == "globex"
    assert ctl("events", "republish", "no.such").returncode == 2


async def test_places_alone_are_noted_and_gone_back_to(
    surroundings: Surroundings, ctl: Ctl, tmp_path: Path
) -> None:
    noted = ctl("backup", "--places-only", "--to", str(tmp_path / "places"))
    assert noted.returncode == 0, noted.stderr
    (folder,) = (tmp_path / "places").iterdir()
    refused = ctl("restore", "--from", str(folder))
    assert refused.returncode == 1
    assert "restore --places-only" in refused.stderr
    done = ctl("restore", "--places-only", "--from", str(folder))
    assert done.returncode == 0, done.stderr
    assert '"published_later": {}' in done.stdout


async def stand(surroundings: Surroundings, group: str, offset: int) -> None:
    """Let a group have settled so much of dialog.completed."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=surroundings.kafka_bootstrap,
        group_id=surroundings.topic_prefix + group,
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        place = TopicPartition(f"{surroundings.topic_prefix}dialog.completed", 0)
        consumer.assign([place])
        await consumer.commit({place: offset})
    finally:
        await consumer.stop()


async def stands(surroundings: Surroundings, group: str) -> list[int]:
    admin = AIOKafkaAdminClient(bootstrap_servers=surroundings.kafka_bootstrap)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(surroundings.topic_prefix + group)
    finally:
        await admin.close()
    return [one.offset for one in found.values()]


@pytest.mark.parametrize("topics", [1], indirect=True)
async def test_erasures_are_asked_for_again_also_from_a_topic_that_was_made_again(
    surroundings: Surroundings, ctl: Ctl, tmp_path: Path
) -> None:
    known, new = "dataset-svc.dialog.completed", "agent-svc.dialog.completed"
    await stand(surroundings, known, 7)
    assert ctl("backup", "--places-only", "--to", str(tmp_path / "places")).returncode == 0
    (folder,) = (tmp_path / "places").iterdir()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["groups"][new]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    await stand(surroundings, known, 9)
    await stand(surroundings, new, 9)

    elsewhere = ctl("restore", "--places-only", "--from", str(folder), MORTARBOARD_TOPIC_PREFIX="nobody.")
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert await stands(surroundings, known) == [9], "the groups of another prefix are another's"

    await lose(surroundings, "dialog.completed")
    await make_again(surroundings)
    async with kit(surroundings) as parts, relaying(parts, "log"):
        erased = DialogErased(dialog_id="d", agent_id="a", requested_at=now(), reason="asked")
        await publish(parts, erased)
        await emptied(parts)
    done = ctl("restore", "--places-only", "--from", str(folder))
    assert done.returncode == 0, done.stderr
    assert '"erased_again": 1' in done.stdout
    assert "ask for older erasures again by hand" in done.stdout
    assert await stands(surroundings, known) == [7]
    assert await stands(surroundings, new) == [0], "of which the backup does not know"


async def test_nothing_is_restored_under_services_that_run(
    surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka, prefix = {"bootstrap_servers": surroundings.kafka_bootstrap}, surroundings.topic_prefix
    monkeypatch.setattr(places, "groups", lambda: {"dialog-svc.dialog.completed": "dialog.completed"})
    consumer = Consumer("dialog.completed", RATED, Noting())
    async with kit(surroundings) as parts:
        async with parts.consuming(consumer):
            monkeypatch.setattr(places, "PATIENCE_S", 0.0)

            async def refused() -> bool:
                try:
                    await places.must_be_idle(kafka, prefix)
                except places.GroupInUseError:
                    return True
                return False

            await until(refused, what="a member is seen")
        monkeypatch.setattr(places, "PATIENCE_S", 60.0)
        await places.must_be_idle(kafka, prefix)
