"""The chassis' rules that need no server: headers, health, dead-letter share, settings, errors."""

from __future__ import annotations

import asyncio
import base64
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest
from aiokafka import ConsumerRecord
from aiokafka.errors import TopicAuthorizationFailedError
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from chassis import observability
from chassis.batch import Assignment
from chassis.dead_letters import ShareLimit, client_of, subject_of
from chassis.envelope import UNKNOWN, decode, encode_headers, new_headers, read_headers
from chassis.errors import Transient, describe, is_transient, where
from chassis.health import Health
from chassis.objects import ForeignUriError, ObjectStore, tenant_prefix
from chassis.observability import mask
from chassis.settings import KeyedSettings, Settings, masked
from contracts.chat import DialogRatedInChat, MessagePosted
from contracts.topics import TOPICS, message_key

REQUIRED: dict[str, Any] = {
    "database_url": "postgresql://u:hidden-password@h/db",
    "database_http_url": "postgresql://u:hidden-password@h/db",
    "objects_url": "file:///tmp/x",
    "dev": True,
}


def test_headers_that_are_not_text_are_left_out() -> None:
    headers = [("a", b"1"), ("b", None), ("c", b"\xff"), ("d", b"x" * 600), ("e", "é".encode())]
    assert read_headers(headers) == {"a": "1", "e": "é"}


@pytest.mark.parametrize(
    ("timestamp", "appended"),
    [(1_500, datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC)), (-1, UNKNOWN), (2**63 - 1, UNKNOWN)],
)
def test_a_record_says_when_the_broker_took_it_whatever_it_bears(timestamp: int, appended: datetime) -> None:
    event = DialogRatedInChat(dialog_id="d1", rating="good", by="client")
    headers = encode_headers(new_headers(event, tenant="acme", source="/chat"))
    record = ConsumerRecord("chat.events", 0, 7, timestamp, 0, b"k", event.body(), None, 1, 1, headers)
    assert decode(record, 1_000).appended == appended


def test_settings_show_no_secret_and_name_a_wrong_part() -> None:
    settings = Settings.model_validate(REQUIRED)
    assert "hidden-password" not in masked(settings)
    assert "MORTARBOARD_KAFKA_BOOTSTRAP=127.0.0.1:19092" in masked(settings)
    with pytest.raises(ValidationError, match="unknown part"):
        Settings.model_validate(REQUIRED | {"parts": "http,everything"})


def test_a_master_key_must_be_32_bytes(tmp_path: Any) -> None:
    good = base64.b64encode(b"k" * 32).decode()
    (tmp_path / "key").write_text(good + "\n")
    from_file = KeyedSettings.model_validate(REQUIRED | {"master_key_file": tmp_path / "key"})
    assert from_file.keyring().newest[1] == b"k" * 32
    for bad in ("", "not base64!", base64.b64encode(b"short").decode()):
        with pytest.raises(ValueError, match="32 bytes"):
            KeyedSettings.model_validate(REQUIRED | {"master_key": bad}).keyring()


def test_a_validation_error_is_described_without_its_input() -> None:
    with pytest.raises(ValidationError) as raised:
        MessagePosted.from_body(b'{"dialog_id": "secret-text", "message": {"id": 5}}')
    text = describe(raised.value)
    assert "message.id: string_type" in text
    assert "secret-text" not in text
    assert all("secret-text" not in line for line in where(raised.value))


def test_what_may_pass_by_itself_is_transient() -> None:
    passing = [Transient("x"), ConnectionResetError(), TimeoutError(), asyncpg.DeadlockDetectedError("x")]
    passing.append(asyncpg.InvalidPasswordError("x"))
    assert all(is_transient(error) for error in passing)
    lasting = [ValueError("x"), asyncpg.UniqueViolationError("x"), asyncpg.DataError("x"), KeyError("x")]
    assert not any(is_transient(error) for error in lasting)


def test_keys_and_tokens_are_masked_in_any_text() -> None:
    assert "sk-abcd…" in mask("refused sk-abcdefghijklmnop")
    assert "ijklmnop" not in mask("refused sk-abcdefghijklmnop")
    assert "token…" in mask("Bearer eyJhbGciOi.eyJzdWIi.c2ln")


def test_consuming_stops_when_most_records_of_several_tenants_are_refused() -> None:
    limit = ShareLimit(window=10, tenants=3)
    for number in range(9):
        limit.note(f"t{number % 3}", dead=True)
    assert not limit.exceeded(), "the window is not full yet"
    limit.note("t0", dead=False)
    assert limit.exceeded()
    for _ in range(6):
        limit.note("t0", dead=False)
    assert not limit.exceeded()


def test_one_loud_tenant_does_not_stop_the_others() -> None:
    limit = ShareLimit(window=10, tenants=3)
    for number in range(10):
        limit.note("loud" if number < 8 else "t1", dead=number < 8)
    assert not limit.exceeded()
    assert limit.loud_tenant()


async def test_health_turns_red_for_a_silent_loop_and_a_wedged_producer_and_a_lost_database() -> None:
    moment = 0.0
    health = Health(clock=lambda: moment)
    health.beat("consume", stale_after=60)
    health.beat("relay", stale_after=60)
    assert health.alive() == {}
    moment = 61.0
    health.beat("relay", stale_after=60)
    assert list(health.alive()) == ["consume"]
    health.forget("consume")
    health.wedged("relay", "rows wait")
    assert health.alive() == {"relay": "rows wait"}
    health.wedged("relay")
    assert health.alive() == {}

    async def lost() -> None:
        raise ConnectionError("gone")

    health.waits_for("broadcast")
    health.check("postgres", lost)
    assert await health.ready() == {"broadcast": "starting", "postgres": "ConnectionError"}


@pytest.mark.parametrize(
    "uri", ["tenants/globex/x", "tenants/acme/../globex/x", "/etc/passwd", "tenants/acme//x", "x"]
)
def test_a_uri_outside_the_tenants_prefix_is_refused(uri: str, tmp_path: Any) -> None:
    store = ObjectStore(tmp_path.as_uri())
    with pytest.raises(ForeignUriError):
        store.check(uri, "acme")
    assert store.check("tenants/acme/x", "acme")
    assert tenant_prefix("../globex") == "tenants/%2E%2E%2Fglobex/"


async def test_a_streamed_object_is_whole_or_not_there(tmp_path: Any) -> None:
    store = ObjectStore(tmp_path.as_uri())

    async def chunks(*, broken: bool) -> Any:
        yield b"one"
        await asyncio.sleep(0)
        if broken:
            raise RuntimeError("crash")
        yield b"two"

    stored = await store.put_stream("tenants/acme/good", chunks(broken=False))
    assert await store.read(stored.uri, "acme", stored.sha256) == b"onetwo"
    with pytest.raises(RuntimeError):
        await store.put_stream("tenants/acme/bad", chunks(broken=True))
    assert not (tmp_path / "tenants/acme/bad").exists()


def test_a_span_tells_the_kind_of_an_error_and_never_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(observability, "tracer", provider.get_tracer("test"))
    with (
        pytest.raises(ValueError, match="secret-text"),
        observability.batch_span("process chat.events", SpanKind.CONSUMER, [], {}),
    ):
        raise ValueError("secret-text")
    (span,) = exporter.get_finished_spans()
    assert span.status.description == "ValueError"
    assert "secret-text" not in span.to_json()


async def test_what_was_read_between_a_rebalances_begin_and_end_is_not_settled() -> None:
    assignment = Assignment()
    await assignment.on_partitions_revoked([])
    between = assignment.generation
    await assignment.on_partitions_assigned([])
    assert assignment.generation != between


async def test_a_folder_of_objects_is_emptied_and_nothing_beside_it(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path.as_uri())
    for name in ("one/a", "one/b/c", "one-more/a", "two/a"):
        await store.put(f"tenants/acme/{name}", b"x")
    assert await store.delete_under("tenants/acme/one/", "acme") == 2
    assert await store.delete_under("tenants/acme/one/", "acme") == 0
    left = {path.parent.name for path in tmp_path.rglob("*") if path.is_file()}  # noqa: ASYNC240
    assert left == {"one-more", "two"}
    for foreign in ("tenants/globex/one/", "tenants/acme/../globex/", "tenants/acme"):
        with pytest.raises(ForeignUriError):
            await store.delete_under(foreign, "acme")


async def test_only_what_was_written_before_a_time_is_deleted(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path.as_uri())
    await store.put("dead-letters/x/old", b"x")
    os.utime(tmp_path / "dead-letters" / "x" / "old", (0, 0))
    await store.put("dead-letters/x/young", b"x")
    assert await store.delete_old("dead-letters/x/", datetime(2026, 1, 1, tzinfo=UTC)) == 1
    assert [path.name for path in (tmp_path / "dead-letters" / "x").iterdir()] == ["young"]


def test_what_a_refused_record_is_about_is_read_without_trust() -> None:
    topic = TOPICS["chat.events"]

    def about(value: bytes | None, tenant: bytes = b"acme", key: bytes | None = b"k") -> object:
        headers = [("ce_tenantid", tenant)]
        record = ConsumerRecord("t", 0, 0, 0, 0, key, value, None, 1, 1, headers)
        return subject_of(topic, record)

    assert about(b'{"dialog_id": "d1", "and": "more"}') == ("acme", "d1")
    for other in (None, b"", b"[1]", b"{", b'{"dialog_id": 7}', b'{"dialog": "d1"}', b"\xff"):
        assert about(other) is None
    assert about(b'{"dialog_id": "d1"}', b"") is None
    # what cannot be read keeps its text all the same: then the key tells
    for unread, tenant in ((b"{", b"acme"), (b"[1]", b"acme"), (b'{"dialog_id": "d2"}', b"")):
        assert about(unread, tenant, message_key("ac/me", "d 1")) == ("ac/me", "d 1")
    for key in (None, b"", b"/d1", b"acme/", b"a/b/c", b"acme/\xff", b"ac%00me/d1"):
        assert about(b"{", key=key) is None
    assert about(b'{"dialog_id": "d1"}', b"ac\x00me") is None, "no database would take it"
    assert (
        subject_of(TOPICS["agent.routed"], ConsumerRecord("t", 0, 0, 0, 0, b"k", b"{}", None, 1, 1, []))
        is None
    )


def test_whose_a_refused_message_is_is_read_without_trust() -> None:
    def whose(body: object) -> object:
        value = orjson.dumps(body)
        record = ConsumerRecord("t", 0, 0, 0, 0, b"k", value, None, 1, 1, [("ce_tenantid", b"acme")])
        return client_of(TOPICS["chat.events"], record)

    at = "2026-01-01T00:00:00+00:00"
    said = {"client": {"pseudonym": "anna"}, "message": {"at": at}}
    assert whose(said) == ("acme", "anna", datetime.fromisoformat(at))
    unclear: tuple[object, ...] = (
        [],
        {},
        said | {"client": "anna"},
        said | {"client": {"pseudonym": 7}},
        said | {"message": {"at": "yesterday"}},
        said | {"message": {"at": "2026-01-01T00:00:00"}},
        said | {"message": {"at": 7}},
    )
    for wrong in unclear:
        assert whose(wrong) is None


async def test_who_was_never_let_in_is_not_ready_and_who_was_stays_so() -> None:
    health = Health()
    health.missed("kafka", "no answer", refused=False)
    assert (await health.ready(), health.missing()) == ({}, {"kafka": "no answer"}), "it may come yet"
    health.missed("kafka", "wrong password", refused=True)
    assert await health.ready() == {"kafka": "wrong password"}
    health.interrupted("consume", TopicAuthorizationFailedError())
    health.interrupted("relay", TimeoutError())
    assert set(await health.ready()) == {"kafka", "consume"}
    for part in ("kafka", "consume"):
        health.reached(part)
    assert (await health.ready(), health.missing()) == ({}, {})
    health.missed("kafka", "expired password", refused=True)
    assert (await health.ready(), health.missing()) == ({}, {"kafka": "expired password"})
