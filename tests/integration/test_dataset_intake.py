"""dataset-svc takes dialogs in by the batch: the end is that of taking them in one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.dialogs import DialogErased, DialogRated, InlineTranscript, SameTranscript
from deploy.stack.services import Surroundings
from tests.harness import bodies, now, service, until
from tests.integration.test_dataset_svc import agent, completed, dataset_of, send, take, talk


def rated(dialog: str, rating: Any, by: Any = "client") -> DialogRated:
    return DialogRated(dialog_id=dialog, revision=1, rating=rating, by=by)


def erased(dialog: str) -> DialogErased:
    return DialogErased(dialog_id=dialog, agent_id="shop", requested_at=now(), reason="asked")


def end_of(dialog: str) -> Any:
    """Something after which the partition of this dialog is known to have been taken in."""
    return completed(dialog, 9, InlineTranscript(messages=talk()[:2]), 2)


async def candidates(surroundings: Surroundings) -> dict[tuple[str, int], int]:
    async with surroundings.databases.connection(surroundings.database) as connection:
        rows = await connection.fetch(
            "SELECT dialog_id, revision, jsonb_array_length(transcript) AS count FROM dataset_svc.candidates"
        )
    return {(row["dialog_id"], row["revision"]): row["count"] for row in rows}


@pytest.mark.parametrize("topics", [1], indirect=True)
async def test_a_mixed_batch_ends_as_its_events_one_by_one_would(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(
        surroundings, completed("gone"), rated("gone", "bad"), erased("gone"), completed("gone", 2),
        completed("kept"), completed("kept", 1, SameTranscript(same_as=1)),
        completed("kept", 2, SameTranscript(same_as=1)), rated("kept", "good"), rated("kept", "bad"),
        completed("odd", 2, SameTranscript(same_as=1)), end_of("last"),
    )  # fmt: skip
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        await send(surroundings, agent())
        api = await running.client()
        dataset = await dataset_of(api)
        example = await take(api, dataset, "last", 9)
        assert await candidates(surroundings) == {("kept", 1): 5, ("kept", 2): 5, ("last", 9): 2}
        (letter,) = await bodies(surroundings, "dialog.completed.dataset-svc.dlt")
        assert letter["dialog_id"] == "odd"
        kept = (await api.get(f"/v1/examples/{await take(api, dataset, 'kept')}")).json()
        assert (kept["rated_bad"], kept["head"]["teaches"]) == (True, 0)
        gone = await api.post(f"/v1/datasets/{dataset}/examples", json={"dialog_id": "gone", "revision": 1})
        assert gone.status_code == 410
        assert example != kept["id"]


@pytest.mark.parametrize("topics", [1], indirect=True)
async def test_every_promised_id_leads_to_the_example_that_its_dialog_has(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent(), completed("known"))
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        api = await running.client()
        dataset = await dataset_of(api)
        known = await take(api, dataset, "known")

        async def promised(dialog: str, revision: int) -> str:
            wanted = {"dialog_id": dialog, "revision": revision}
            answer = await api.post(f"/v1/datasets/{dataset}/examples", json=wanted)
            assert answer.status_code == 202
            return str(answer.json()["id"])

        async def opened(example: str) -> str:
            async def there() -> Any:
                answer = await api.get(f"/v1/examples/{example}")
                return answer.json()["id"] if answer.status_code == 200 else None

            return str(await until(there))

        later = await promised("known", 2)
        second, third = await promised("new", 2), await promised("new", 3)
        await send(surroundings, completed("known", 2), completed("new", 3))
        assert await opened(later) == known
        assert [await opened(second), await opened(third)] == [second, second]
        assert (await (await running.client("globex")).get(f"/v1/examples/{later}")).status_code == 404
        await send(surroundings, erased("known"))

        async def gone() -> bool:
            return (await api.get(f"/v1/examples/{later}")).status_code == 404

        await until(gone)


@pytest.mark.parametrize("topics", [1], indirect=True)
async def test_who_waited_gets_the_first_revision_that_fulfils_the_wish(
    surroundings: Surroundings, tmp_path: Path
) -> None:
    await send(surroundings, agent())
    async with service(surroundings, "dataset-svc", tmp_path) as running:
        api = await running.client()
        dataset = await dataset_of(api)
        wanted = {"dialog_id": "d", "revision": 2}
        promised = (await api.post(f"/v1/datasets/{dataset}/examples", json=wanted)).json()["id"]
    three = InlineTranscript(messages=talk()[:4])
    await send(surroundings, completed("d", 2, three, 4), completed("d", 3), rated("d", "bad"))
    async with service(surroundings, "dataset-svc", tmp_path, slot="2") as running:
        api = await running.client()

        async def filled() -> Any:
            answer = await api.get(f"/v1/examples/{promised}")
            return answer.json() if answer.status_code == 200 else None

        example = await until(filled)
    assert (len(example["messages"]), example["origin_revision"]) == (4, 2)
    assert example["rated_bad"] is True
