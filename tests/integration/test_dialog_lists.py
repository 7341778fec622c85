"""Lists of dialogs on real servers: filters, orders and cursors, counts, the dataset, ratings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from contracts.chat import DialogEnded, DialogRatedInChat, MessagePosted
from contracts.datasets import DatasetChanged
from contracts.event import Event
from deploy.stack.services import Surroundings
from tests.harness import bodies, now, publish, publisher, service, until
from tests.integration.dialog_world import START, ids, listed, said


@pytest.fixture
async def dialog_svc(surroundings: Surroundings, tmp_path: Path) -> Any:
    async with service(surroundings, "dialog-svc", tmp_path) as running:
        yield running


FOUR: list[Event] = [
    said("plain", 0), said("plain", 1, "assistant", model="gpt-4o"),
    said("called", 10, channel="telegram"), said("called", 11, "assistant", call="find", model="ft:a"),
    said("called", 12, "assistant", model="gpt-4o"),
    said("tested", 20, source="test", agent_id="other"),
    said("ended", 30, channel="web"),
    DialogEnded(dialog_id="ended", agent_id="shop", outcome="sold", at=now()),
    DialogRatedInChat(dialog_id="ended", rating="bad", by="client"),
]  # fmt: skip
TWENTY_LATER = (START + timedelta(minutes=20)).isoformat()
FILTERS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["ended", "tested", "called", "plain"]),
    ({"agent_id": "shop"}, ["ended", "called", "plain"]),
    ({"rating": "bad"}, ["ended"]),
    ({"outcome": "sold"}, ["ended"]),
    ({"source": "test"}, ["tested"]),
    ({"channel": "telegram"}, ["called"]),
    ({"model": "gpt-4o"}, ["called", "plain"]),
    ({"model": "ft:a", "agent_id": "shop"}, ["called"]),
    ({"has_functions": "true"}, ["called"]),
    ({"has_functions": "false", "source": "live"}, ["ended", "plain"]),
    ({"in_dataset": "true"}, []),
    ({"min_messages": 2}, ["called", "plain"]),
    ({"from": TWENTY_LATER}, ["ended", "tested"]),
    ({"to": TWENTY_LATER}, ["called", "plain"]),
    ({"sort": "oldest"}, ["plain", "called", "tested", "ended"]),
    ({"sort": "longest"}, ["called", "plain", "tested", "ended"]),
    ({"sort": "shortest"}, ["ended", "tested", "plain", "called"]),
]


async def test_a_list_tells_what_the_client_began_with(surroundings: Surroundings, dialog_svc: Any) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "u"}}, {"type": "text", "text": "Look"}]
    shown = said("shown", 3).model_dump(mode="json")
    shown["message"]["content"] = parts
    async with publisher(surroundings) as producer:
        greeted = [said("greeted", 0, "assistant"), said("greeted", 1, text="Ф" * 300), said("greeted", 2)]
        others = [MessagePosted.model_validate(shown), said("silent", 4, "assistant")]
        await publish(producer, surroundings, [*greeted, *others])
    openings = {one["dialog_id"]: one["opening"] for one in await listed(dialog_svc, 3)}
    assert openings == {"greeted": "Ф" * 200, "shown": "Look", "silent": None}


async def test_every_filter_and_order(surroundings: Surroundings, dialog_svc: Any) -> None:
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, FOUR)
    await listed(dialog_svc, 1, rating="bad")
    for query, expected in FILTERS:
        assert ids(await listed(dialog_svc, len(expected), **query)) == expected, query
    (called,) = await listed(dialog_svc, 1, channel="telegram")
    assert (called["models"], called["has_functions"], called["message_count"]) == (
        ["ft:a", "gpt-4o"],
        True,
        3,
    )


@pytest.mark.parametrize("sort", ["newest", "oldest", "longest", "shortest"])
async def test_pages_of_each_order_hold_every_dialog_once_also_among_equals(
    surroundings: Surroundings, dialog_svc: Any, sort: str
) -> None:
    events = [
        said(f"d{dialog:02}", number, at=START + timedelta(minutes=dialog // 5))
        for dialog in range(23)
        for number in range(1 + dialog // 8)
    ]
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, events)
    whole = await listed(dialog_svc, 23, sort=sort, limit=200)
    api = await dialog_svc.client()
    paged: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        more = {"cursor": cursor} if cursor else {}
        answer = (await api.get("/v1/dialogs", params={"sort": sort, "limit": 4, **more})).json()
        paged += ids(answer["items"])
        cursor = answer["next_cursor"]
    assert paged == ids(whole)
    assert len(set(paged)) == 23
    value = "last_at" if sort in ("newest", "oldest") else "message_count"
    keys = [(item[value], item["dialog_id"]) for item in whole]
    assert keys == sorted(keys, reverse=sort in ("newest", "longest"))


async def test_counts_tell_what_each_filter_would_leave(surroundings: Surroundings, dialog_svc: Any) -> None:
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, FOUR)
    await listed(dialog_svc, 1, rating="bad")
    await listed(dialog_svc, 4)
    api = await dialog_svc.client()
    counts = (await api.get("/v1/dialogs/counts", params={"agent_id": "shop", "source": "live"})).json()
    found = {
        (name, one["value"]): one["count"] for name, values in counts["filters"].items() for one in values
    }
    assert (counts["count"], counts["more"]) == (3, False)
    assert found == {
        ("rating", "good"): 0, ("rating", "bad"): 1, ("source", "live"): 3, ("source", "test"): 0,
        ("has_functions", True): 1, ("has_functions", False): 2,
        ("in_dataset", True): 0, ("in_dataset", False): 3,
        ("channel", "telegram"): 1, ("channel", "web"): 1, ("outcome", "sold"): 1,
        ("model", "gpt-4o"): 2, ("model", "ft:a"): 1,
    }  # fmt: skip
    searched = (await api.get("/v1/dialogs/counts", params={"q": "и"})).json()
    assert (searched["count"], searched["more"]) == (0, False)


async def test_counts_are_exact_to_ten_thousand_and_then_say_more(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    async with surroundings.databases.connection(surroundings.database) as admin:
        await admin.execute(
            """
            INSERT INTO dialog_svc.listings (tenant_id, dialog_id, shelf, agent_id, source, rating, open,
                started_at, last_at, heard_at, partition, message_count, revision, models, has_functions,
                in_dataset, indexed_to)
            SELECT 'acme', 'd' || n, 0, 'shop', 'live', CASE WHEN n <= 10000 THEN 'good' END, false,
                now(), now(), now(), 0, 1, 0, '{}', false, false, 1
            FROM generate_series(1, 10001) AS n
            """
        )
    api = await dialog_svc.client()
    counts = (await api.get("/v1/dialogs/counts")).json()
    assert (counts["count"], counts["more"]) == (10_000, True)
    assert {"value": "good", "count": 10_000, "more": False} in counts["filters"]["rating"]


async def test_a_dialog_is_listed_by_whether_it_is_in_the_dataset(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    def changed(dialog: str, state: Any) -> DatasetChanged:
        return DatasetChanged(dialog_id=dialog, example_id=str(uuid7()), state=state)

    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, [changed("d1", "saved")], sequences=[1])
        await publish(producer, surroundings, [said("d1", 0), said("d2", 0), said("d3", 0)])
        await publish(producer, surroundings, [changed("d2", "saved")], sequences=[1])
        await listed(dialog_svc, 2, in_dataset="true")
        # an older state that comes late changes nothing
        states = [changed("d2", "removed"), changed("d2", "saved"), changed("d3", "saved")]
        await publish(producer, surroundings, states, sequences=[3, 2, 1])
        await until(lambda: _inside(dialog_svc, ["d1", "d3"]))


async def _inside(dialog_svc: Any, expected: list[str]) -> bool:
    api = await dialog_svc.client()
    answer = await api.get("/v1/dialogs", params={"in_dataset": "true"})
    return sorted(ids(answer.json()["items"])) == expected


async def test_a_rating_is_kept_listed_and_published_in_the_name_of_who_gave_it(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, [said("d1", 0), said("d1", 1, "assistant", model="gpt-4o")])
    await listed(dialog_svc, 1)
    owner, editor = await dialog_svc.client(), await dialog_svc.client(role="editor")
    viewer, other = await dialog_svc.client(role="viewer"), await dialog_svc.client("globex")
    path = "/v1/dialogs/d1/rating"
    assert (await owner.put(path, json={"rating": "bad", "comment": "wrong price"})).json()["by"] == "owner"
    assert ids(await listed(dialog_svc, 1, rating="bad")) == ["d1"]
    assert (await editor.put(path, json={"rating": "good", "message_id": "m1"})).json()["by"] == "operator"
    refused = {
        (await viewer.put(path, json={"rating": "good"})).status_code: 403,
        (await other.put(path, json={"rating": "good"})).status_code: 404,
        (await owner.put(path, json={"rating": "good", "message_id": "m7"})).status_code: 404,
        (await owner.put(path, json={"rating": "good", "message_id": "m0"})).status_code: 409,
        (await owner.put(path, json={"rating": "fine"})).status_code: 422,
    }
    assert all(seen == expected for seen, expected in refused.items()), refused

    async def two() -> Any:
        found = await bodies(surroundings, "dialog.completed")
        return found if len(found) == 2 else None

    told = [(one["rating"], one["by"], one["message_id"]) for one in await until(two)]
    assert told == [("bad", "owner", None), ("good", "operator", "m1")]
    trail = (await owner.get("/v1/audit")).json()["items"]
    assert [one["action"] for one in trail] == ["dialog.rated", "dialog.rated"]
    assert "wrong price" not in str(trail)


async def test_ratings_are_summed_by_the_model_that_answered(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    events: list[Event] = []
    for number, (model, rating) in enumerate([("a", "good"), ("a", "bad"), ("b", "bad"), (None, "good")]):
        dialog = f"d{number}"
        events += [
            said(dialog, 0, agent_id="shop" if number else "other"),
            said(dialog, 1, "assistant", **({"model": model} if model else {})),
            DialogRatedInChat(dialog_id=dialog, message_id="m1", rating=rating, by="client"),
            DialogRatedInChat(dialog_id=dialog, rating=rating, by="client"),
        ]
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, events)
    await listed(dialog_svc, 2, rating="good")
    await listed(dialog_svc, 2, rating="bad")
    api = await dialog_svc.client()
    found = (await api.get("/v1/dialogs/ratings", params={"group_by": "model"})).json()["items"]

    def both(good: int, bad: int) -> dict[str, dict[str, int]]:
        return {kind: {"good": good, "bad": bad} for kind in ("answers", "dialogs")}

    assert found == [
        {"model": None, **both(1, 0)},
        {"model": "a", **both(1, 1)},
        {"model": "b", **both(0, 1)},
    ]
    of_shop = (await api.get("/v1/dialogs/ratings", params={"agent_id": "shop"})).json()["items"]
    assert {"model": "a", **both(0, 1)} in of_shop


async def test_many_values_of_one_filter_hide_no_other_and_the_one_asked_for_is_there(
    surroundings: Surroundings, dialog_svc: Any
) -> None:
    channels = [f"c{number:03}" for number in range(210)]
    async with publisher(surroundings) as producer:
        await publish(producer, surroundings, [said("d1", 0, "assistant", model="gpt-4o", channel="c209")])
    await listed(dialog_svc, 1)
    async with surroundings.databases.connection(surroundings.database) as admin:
        await admin.execute(
            "INSERT INTO dialog_svc.listed_values SELECT 'acme', 'shop', 'channel', unnest($1::text[]) "
            "ON CONFLICT DO NOTHING",
            channels,
        )
    api = await dialog_svc.client()
    found = (await api.get("/v1/dialogs/counts", params={"channel": "c209"})).json()["filters"]
    # of the other values no dialog is left
    assert found["channel"] == [{"value": "c209", "count": 1, "more": False}]
    assert found["model"] == [{"value": "gpt-4o", "count": 1, "more": False}]
