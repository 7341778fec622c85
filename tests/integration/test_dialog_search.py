"""Search on real servers: stems, typos, parts of numbers, tenants, and the index that serves it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.stack.services import Surroundings
from tests.harness import publish, publisher, service
from tests.integration.dialog_world import ids, listed, said

TEXTS = {
    "roses": "Здравствуйте! Сколько стоит доставка красных роз? Ещё нужна ёлка.",
    "phone": "My phone is +7 (912) 345-67-89, the order is ORD-10293.",
    "english": "I would like a refund for the broken deliveries",
    "quotes": "l'été 'quoted' \\ back & slash | pipe ! bang",
}
FOUND: list[tuple[str, list[str]]] = [
    ("роза", ["roses"]),
    ("красная доставка", ["roses"]),
    ("елка", ["roses"]),
    ("дотсавка", ["roses"]),
    ("доставкка роз", ["roses"]),
    ("достав", ["roses"]),
    ("delivery", ["english"]),
    ("refunds", ["english"]),
    ("refnud", ["english"]),
    ("345-67", ["phone"]),
    ("9123456789", ["phone"]),
    ("+7 912 345 67 89", ["phone"]),
    ("0293", ["phone"]),
    ("ord-10293", ["phone"]),
    ("phone 10293", ["phone"]),
    ("phone роза", []),
    ("777777", []),
    ("и не", []),
    ("''' & | ! :* \\ <->", []),
    ("quoted", ["quotes"]),
    ("l'été", ["quotes"]),
]


@pytest.fixture
async def dialog_svc(surroundings: Surroundings, tmp_path: Path) -> Any:
    async with service(surroundings, "dialog-svc", tmp_path) as running:
        yield running


async def test_words_are_found_by_stem_by_typo_and_by_part_of_a_number(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    events = [said(dialog, 0, text=text) for dialog, text in TEXTS.items()]
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, events)
        await publish(producer, surroundings, [said("foreign", 0, text="роза refund 10293")], tenant="globex")
    await listed(dialog_svc, len(TEXTS))
    api = await dialog_svc.client()
    wrong = {}
    for words, expected in FOUND:
        answer = await api.get("/v1/dialogs", params={"q": words})
        assert answer.status_code == 200, (words, answer.text)
        if ids(answer.json()["items"]) != expected:
            wrong[words] = ids(answer.json()["items"])
    assert wrong == {}
    counts = (await api.get("/v1/dialogs/counts", params={"q": "роза"})).json()
    assert counts["count"] == 1
    assert [one["count"] for one in counts["filters"]["source"]] == [1, 0], "live, test"


async def test_what_is_said_later_and_in_function_calls_is_found_too(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    first = [said("d1", 0, text="hello"), said("d2", 0, text="hello")]
    call = said("d1", 1, "assistant", text="wait", call="find", arguments='{"city": "Омск"}')
    later = [call, said("d1", 2, replaces="m0", text="good morning")]
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, first)
        await listed(dialog_svc, 2, q="hello")
        await publish(producer, surroundings, later)
    assert ids(await listed(dialog_svc, 1, q="омск")) == ["d1"]
    assert ids(await listed(dialog_svc, 1, q="morning hello")) == ["d1"], "the old branch was forgotten"


async def test_search_pages_follow_the_order_and_the_filters(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    events = [
        said(f"d{number}", number, text="роза", channel="web" if number % 2 else "app") for number in range(9)
    ]
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, events)
    await listed(dialog_svc, 9)
    api = await dialog_svc.client()
    query: dict[str, Any] = {"q": "розы", "channel": "app", "limit": 3, "sort": "oldest"}
    first = (await api.get("/v1/dialogs", params=query)).json()
    second = (await api.get("/v1/dialogs", params=query | {"cursor": first["next_cursor"]})).json()
    assert ids(first["items"]) == ["d0", "d2", "d4"]
    assert (ids(second["items"]), second["next_cursor"]) == (["d6", "d8"], None)


async def test_a_part_of_very_many_numbers_finds_the_same_ones_each_time(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    events = [said(f"d{number}", 0, text=f"order 1{number:03}777") for number in range(1, 121)]
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, [*events, said("short", 0, text="x77y 77")])
    await listed(dialog_svc, 121, limit=200)
    first_hundred = {f"d{number}" for number in range(1, 101)}
    for _ in range(2):
        assert set(ids(await listed(dialog_svc, 100, q="777", limit=200))) == first_hundred
    assert ids(await listed(dialog_svc, 1, q="77")) == ["short"]


PLANS = [
    ("SELECT * FROM search_dialogs('{}', '''роз'' & ''x77''', 'newest', NULL, 51)", "tenant_id_words_idx"),
    ("SELECT * FROM words_containing('4999')", "tenant_id_word_idx"),
    ("""SELECT * FROM list_dialogs('{"rating": "bad", "channel": "app"}', 'longest', NULL, 51)""",
     "listings_filters"),
    ("""SELECT * FROM list_dialogs('{"agent_id": "a1"}', 'newest', NULL, 51)""", "listings_agent_last_at"),
    ("""SELECT * FROM list_dialogs('{}', 'longest', '[5, "d5"]', 51)""", "listings_message_count"),
]  # fmt: skip


async def test_lists_and_searches_are_served_by_an_index(surroundings: Surroundings) -> None:
    async with surroundings.databases.connection(surroundings.database) as admin:
        await admin.execute("SET search_path = dialog_svc, public")
        await admin.execute(
            """
            WITH here AS (SELECT max(shelf) AS shelf FROM shelves WHERE kept = 365 AND month <= now()),
            listed AS (
                INSERT INTO listings SELECT 'acme', 'd' || n, shelf, 'a' || n % 9, 'live',
                    CASE WHEN n % 100 = 0 THEN 'app' ELSE 'web' END, NULL,
                    CASE WHEN n % 100 = 7 THEN 'bad' END, false, now() - n * interval '1 minute',
                    now() - n * interval '1 minute', now(), 0, n % 50, 0, '{}', false, false, 1
                FROM generate_series(1, 20000) AS n, here
            )
            INSERT INTO search_documents SELECT 'acme', 'd' || n, shelf,
                strip(to_tsvector('russian', 'роза x' || n)) FROM generate_series(1, 20000) AS n, here
            """
        )
        await admin.execute(
            "INSERT INTO vocabulary SELECT DISTINCT tenant_id, unnest(tsvector_to_array(words)), shelf "
            "FROM search_documents"
        )
        await admin.execute("ANALYZE listings, search_documents, vocabulary")
        await admin.execute(
            "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET client_min_messages = log;"
            "SET auto_explain.log_nested_statements = on; SET app.tenant = 'acme'; SET ROLE dialog_svc_http"
        )
        plans: list[str] = []
        admin.add_log_listener(lambda _, message: plans.append(message.message))
        for statement, index in PLANS:
            # few rows are quicker to read through: what matters is whether the index can be used at all
            for scan in ("seqscan", "indexscan", "indexonlyscan"):
                switch = "off" if "tenant_id" in index or scan == "seqscan" else "on"
                await admin.execute(f"SET enable_{scan} = {switch}")
            plans.clear()
            await admin.fetch(statement)
            assert any(index in plan for plan in plans), "\n".join(plans)
