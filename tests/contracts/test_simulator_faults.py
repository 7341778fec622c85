"""Each fault that may be asked for does what it says, as the official client sees it."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.error import HTTPError

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.fine_tuning import FineTuningJob

from deploy.simulator.testing import RunningSimulator, question_lines

MODEL = "gpt-4o-mini-2024-07-18"
TRAINING = question_lines("Q{}", "A{}", 10)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path, speed=100) as running:
        yield running


@pytest.fixture
async def client(simulator: RunningSimulator) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="sk-one", base_url=simulator.base_url, max_retries=0) as opened:
        yield opened


async def upload(client: AsyncOpenAI) -> str:
    return (await client.files.create(file=("r1-1-abc.jsonl", TRAINING), purpose="fine-tune")).id


async def create(client: AsyncOpenAI, file_id: str | None = None) -> FineTuningJob:
    return await client.fine_tuning.jobs.create(
        model=MODEL, training_file=file_id or await upload(client), metadata={"run_id": "r1"}
    )


async def finished(client: AsyncOpenAI, job_id: str) -> FineTuningJob:
    job = await client.fine_tuning.jobs.retrieve(job_id)
    if job.finished_at is not None:
        return job
    await asyncio.sleep(0.02)
    return await finished(client, job_id)


async def test_lost_answer_leaves_exactly_one_job(client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    simulator.add_fault("answer_lost_after_create")
    with pytest.raises(openai.APIConnectionError):
        await create(client)
    (entry,) = simulator.ledger()
    assert entry["metadata"] == {"run_id": "r1"}
    assert entry["training_file_name"] == "r1-1-abc.jsonl"
    (listed,) = [job async for job in client.fine_tuning.jobs.list(metadata={"run_id": "r1"})]
    assert listed.id == entry["id"]
    assert (await create(client)).id != entry["id"]


async def test_retries_of_a_lost_answer_make_a_second_job(simulator: RunningSimulator) -> None:
    simulator.add_fault("answer_lost_after_create")
    async with AsyncOpenAI(api_key="sk-one", base_url=simulator.base_url, max_retries=1) as retrying:
        await create(retrying)
    assert len(simulator.ledger()) == 2
    assert simulator.admin("GET", "requests")["requests"]["POST /v1/fine_tuning/jobs"] == 2


async def test_dropped_connection_does_nothing(client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    file_id = await upload(client)
    simulator.add_fault("connection_dropped", match={"path": "/v1/fine_tuning/jobs"})
    with pytest.raises(openai.APIConnectionError):
        await create(client, file_id)
    assert simulator.ledger() == []


@pytest.mark.parametrize(
    ("fault", "kind", "status", "code"),
    [
        ("rate_limit", openai.RateLimitError, 429, "rate_limit_exceeded"),
        ("insufficient_quota", openai.RateLimitError, 429, "insufficient_quota"),
        ("unauthorized", openai.AuthenticationError, 401, "invalid_api_key"),
        ("missing_scope", openai.AuthenticationError, 401, None),
        ("training_not_available", openai.PermissionDeniedError, 403, "training_not_available"),
        ("unsupported_country", openai.PermissionDeniedError, 403, "unsupported_country_region_territory"),
        ("server_error", openai.InternalServerError, 500, None),
        ("unavailable", openai.InternalServerError, 503, "slow_down"),
    ],
)
async def test_refusals(
    client: AsyncOpenAI,
    simulator: RunningSimulator,
    fault: str,
    kind: type[openai.APIStatusError],
    status: int,
    code: str | None,
) -> None:
    file_id = await upload(client)
    simulator.add_fault(fault, match={"path": "/v1/fine_tuning/jobs", "method": "POST"}, retry_after=7)
    with pytest.raises(kind) as caught:
        await create(client, file_id)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.response.headers["retry-after"] == "7"
    assert simulator.ledger() == []
    assert (await create(client, file_id)).object == "fine_tuning.job"


async def test_training_not_available_meets_only_job_creation(
    client: AsyncOpenAI, simulator: RunningSimulator
) -> None:
    simulator.add_fault("training_not_available", match={"key": "sk-one"}, times=None)
    file_id = await upload(client)
    for _ in range(2):
        with pytest.raises(openai.PermissionDeniedError):
            await create(client, file_id)
    async with AsyncOpenAI(api_key="sk-two", base_url=simulator.base_url, max_retries=0) as other:
        assert (await create(other)).status == "validating_files"


async def test_server_error_after_the_job_was_created(
    client: AsyncOpenAI, simulator: RunningSimulator
) -> None:
    simulator.add_fault("server_error", match={"path": "/v1/fine_tuning/jobs"}, when="after")
    file_id = await upload(client)
    with pytest.raises(openai.InternalServerError):
        await create(client, file_id)
    assert len(simulator.ledger()) == 1


@pytest.mark.parametrize(("when", "jobs"), [("after", 1), ("before", 0)])
async def test_hang(client: AsyncOpenAI, simulator: RunningSimulator, when: str, jobs: int) -> None:
    file_id = await upload(client)
    simulator.add_fault("hang", match={"path": "/v1/fine_tuning/jobs"}, seconds=30, when=when)
    with pytest.raises(openai.APITimeoutError):
        await create(client.with_options(timeout=0.5), file_id)
    assert len(simulator.ledger()) == jobs


async def test_a_hang_that_ends_answers(client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    simulator.add_fault("hang", match={"path": "/v1/files"}, seconds=0.05)
    assert (await client.files.retrieve(await upload(client))).status == "processed"


async def test_late_create_names_a_file_deleted_in_the_meantime(
    client: AsyncOpenAI, simulator: RunningSimulator
) -> None:
    file_id = await upload(client)
    simulator.add_fault(
        "hang", match={"path": "/v1/fine_tuning/jobs", "method": "POST"}, seconds=0.5, when="before"
    )
    late = asyncio.create_task(create(client, file_id))
    while True:
        await asyncio.sleep(0.02)
        if "POST /v1/fine_tuning/jobs" in simulator.admin("GET", "requests")["requests"]:
            break
    await client.files.delete(file_id)
    with pytest.raises(openai.BadRequestError):
        await late
    assert simulator.ledger() == []


async def test_odd_jobs_are_shown_but_not_kept(client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    job = await create(client)
    simulator.add_fault("unknown_state", state="dreaming")
    assert str((await client.fine_tuning.jobs.retrieve(job.id)).status) == "dreaming"
    simulator.add_fault("empty_error_object")
    raw = await client.fine_tuning.jobs.with_raw_response.retrieve(job.id)
    assert raw.http_response.json()["error"] == {}
    simulator.add_fault("null_error_fields")
    (listed,) = [found async for found in client.fine_tuning.jobs.list()]
    assert listed.error is not None
    assert listed.error.code is None
    assert (await finished(client, job.id)).error is None


async def test_metadata_filter_ignored(client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    job = await create(client)
    assert [found.id async for found in client.fine_tuning.jobs.list(metadata={"run_id": "other"})] == []
    simulator.add_fault("metadata_filter_ignored")
    assert [found.id async for found in client.fine_tuning.jobs.list(metadata={"run_id": "other"})] == [
        job.id
    ]


async def test_model_not_ready_and_base64_result(client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    job = await finished(client, (await create(client)).id)
    simulator.add_fault("model_not_ready")
    with pytest.raises(openai.NotFoundError) as caught:
        await client.chat.completions.create(
            model=str(job.fine_tuned_model), messages=[{"role": "user", "content": "Q1"}]
        )
    assert caught.value.code == "model_not_found"
    plain = await client.files.content(job.result_files[0])
    simulator.add_fault("result_file_base64")
    encoded = await client.files.content(job.result_files[0])
    assert base64.b64decode(encoded.content) == plain.content


async def test_faults_are_counted_cleared_and_hide_the_key(
    client: AsyncOpenAI, simulator: RunningSimulator
) -> None:
    simulator.add_fault("unauthorized", match={"key": "sk-canary-1234"}, times=3)
    shown = simulator.admin("GET", "faults")
    assert shown["faults"][0]["times"] == 3
    assert "canary" not in str(shown)
    simulator.add_fault("server_error", times=2)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await client.models.list()
    assert len((await client.models.list()).data) > 0
    simulator.add_fault("server_error", times=None)
    simulator.admin("DELETE", "faults")
    assert simulator.admin("GET", "faults") == {"faults": []}
    assert len((await client.models.list()).data) > 0


@pytest.mark.parametrize(
    "body", [{"fault": "nonsense"}, {"fault": "hang", "second": 3}, {"fault": "hang", "match": {"url": "/"}}]
)
def test_a_mistaken_fault_is_refused(simulator: RunningSimulator, body: dict[str, object]) -> None:
    with pytest.raises(HTTPError, match="400"):
        simulator.admin("POST", "faults", body)


async def test_what_a_key_begins_with_says_how_its_account_behaves(tmp_path: Path) -> None:
    now = [1_800_000_000.0]
    with RunningSimulator(tmp_path, speed=100, clock=lambda: now[0]) as simulator:

        def opened(key: str) -> AsyncOpenAI:
            return AsyncOpenAI(api_key=key, base_url=simulator.base_url, max_retries=0)

        async with opened("sk-one") as usual, opened("sk-slow-one") as slow:
            jobs = [(client, (await create(client)).id) for client in (usual, slow)]
            now[0] += 0.5
            states = [(await client.fine_tuning.jobs.retrieve(job)).status for client, job in jobs]
            assert states == ["succeeded", "validating_files"]
        async with opened("sk-poor-one") as poor:
            with pytest.raises(openai.RateLimitError) as no_money:
                await create(poor)
            assert no_money.value.code == "insufficient_quota"
        async with opened("sk-narrow-one") as narrow:
            with pytest.raises(openai.AuthenticationError, match="Missing scopes"):
                await upload(narrow)
