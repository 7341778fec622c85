"""The official client, an independent reader of the protocol, round trips every call it has."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.fine_tuning import FineTuningJob

from deploy.simulator.testing import RunningSimulator, training_lines

MODEL = "gpt-4o-mini-2024-07-18"
TOOLS = [
    {
        "type": "function",
        "function": {"name": "find_order", "parameters": {"type": "object", "properties": {}}},
    }
]


def example(question: str, answer: str) -> dict[str, object]:
    messages = [
        {"role": "system", "content": "Ты помощник магазина."},
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return {"messages": messages}


def tool_example() -> dict[str, object]:
    call = {"id": "c1", "type": "function", "function": {"name": "find_order", "arguments": '{"id": "77"}'}}
    messages = [
        {"role": "user", "content": "Where is my parcel 77?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"state": "in transit"}'},
        {"role": "assistant", "content": "Your parcel is on its way."},
    ]
    return {"messages": messages, "tools": TOOLS}


TRAINING = training_lines(
    [
        *(example(f"Вопрос номер {n}", f"Ответ номер {n}") for n in range(20)),
        example("Как вернуть деньги за заказ?", "Верните товар за 14 дней, деньги придут на карту."),
        tool_example(),
    ]
)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[RunningSimulator]:
    with RunningSimulator(tmp_path, speed=100) as running:
        yield running


@pytest.fixture
async def client(simulator: RunningSimulator) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="sk-one", base_url=simulator.base_url, max_retries=0) as opened:
        yield opened


async def upload(client: AsyncOpenAI, content: bytes = TRAINING, name: str = "train.jsonl") -> str:
    return (await client.files.create(file=(name, content), purpose="fine-tune")).id


async def train(client: AsyncOpenAI, **settings: object) -> FineTuningJob:
    job = await client.fine_tuning.jobs.create(
        model=MODEL,
        training_file=await upload(client),
        **settings,  # type: ignore[arg-type]
    )
    while job.finished_at is None:
        await asyncio.sleep(0.02)
        job = await client.fine_tuning.jobs.retrieve(job.id)
    return job


async def test_files(client: AsyncOpenAI) -> None:
    ids = [await upload(client, name=f"{n}.jsonl") for n in range(5)]
    expires = await client.files.create(
        file=("short.jsonl", TRAINING),
        purpose="fine-tune",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert expires.expires_at == expires.created_at + 3600
    await client.files.delete(expires.id)
    listed = [file.id async for file in client.files.list(purpose="fine-tune", limit=2, order="asc")]
    assert listed == ids
    assert [file.id async for file in client.files.list(limit=2)] == ids[::-1]
    assert (await client.files.content(ids[0])).content == TRAINING
    assert (await client.files.retrieve(ids[1])).filename == "1.jsonl"
    async for file in client.files.list(limit=2):
        assert (await client.files.delete(file.id)).deleted
    assert [file async for file in client.files.list()] == []


async def test_upload_in_parts(client: AsyncOpenAI) -> None:
    upload = await client.uploads.upload_file_chunked(
        file=TRAINING,
        filename="big.jsonl",
        bytes=len(TRAINING),
        mime_type="application/jsonl",
        purpose="fine-tune",
        part_size=500,
    )
    assert upload.status == "completed"
    assert upload.file is not None
    assert (await client.files.content(upload.file.id)).content == TRAINING


async def test_a_job_from_start_to_model(client: AsyncOpenAI) -> None:
    job = await train(client, suffix="lessons", metadata={"run_id": "r1"}, seed=3)
    assert (job.status, job.seed, job.metadata, job.error) == ("succeeded", 3, {"run_id": "r1"}, None)
    assert job.fine_tuned_model is not None
    assert job.fine_tuned_model.split(":")[1] == MODEL
    steps = 22 * 4  # 22 examples: 4 epochs by the provider's rule, batches of one
    events = [event async for event in client.fine_tuning.jobs.list_events(job.id, limit=7)]
    metrics = [event.data for event in events if event.type == "metrics"]
    assert [data["step"] for data in metrics if isinstance(data, dict)] == list(range(steps, 0, -1))
    assert len({event.id for event in events}) == len(events)
    assert events[-1].message == f"Created fine-tuning job: {job.id}"
    losses = [data["train_loss"] for data in metrics if isinstance(data, dict)]
    assert sum(losses[:10]) < sum(losses[-10:])
    checkpoints = [c async for c in client.fine_tuning.jobs.checkpoints.list(job.id, limit=1)]
    assert [c.step_number for c in checkpoints] == [88, 66, 44]
    assert (await client.files.content(job.result_files[0])).text.count("\n") == 1 + steps


async def test_jobs_are_listed_by_metadata_and_page(client: AsyncOpenAI) -> None:
    file_id = await upload(client)
    made = [
        (await client.fine_tuning.jobs.create(model=MODEL, training_file=file_id, metadata={"run": run})).id
        for run in ("a", "b", "a", "a")
    ]
    found = [job.id async for job in client.fine_tuning.jobs.list(limit=2, metadata={"run": "a"})]
    assert found == [made[3], made[2], made[0]]
    assert [job.id async for job in client.fine_tuning.jobs.list(limit=3)] == made[::-1]
    assert [job.id async for job in client.fine_tuning.jobs.list(metadata={"run": "c"})] == []


async def test_pause_resume_cancel(tmp_path: Path) -> None:
    with RunningSimulator(tmp_path / "slow", speed=0.01) as slow:
        async with AsyncOpenAI(api_key="sk-one", base_url=slow.base_url, max_retries=0) as client:
            job = await client.fine_tuning.jobs.create(model=MODEL, training_file=await upload(client))
            assert str((await client.fine_tuning.jobs.pause(job.id)).status) == "paused"
            with pytest.raises(openai.BadRequestError):
                await client.fine_tuning.jobs.pause(job.id)
            assert (await client.fine_tuning.jobs.resume(job.id)).status == "validating_files"
            assert (await client.fine_tuning.jobs.cancel(job.id)).status == "cancelled"
            with pytest.raises(openai.BadRequestError):
                await client.fine_tuning.jobs.cancel(job.id)


async def test_training_changes_the_answer(client: AsyncOpenAI) -> None:
    job = await train(client)
    asked = [{"role": "user", "content": "Подскажите, как мне вернуть деньги за мой заказ"}]
    answers = {}
    for model in (MODEL, str(job.fine_tuned_model)):
        answer = await client.chat.completions.create(model=model, messages=asked)  # type: ignore[arg-type]
        answers[model] = answer.choices[0].message.content
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answers[str(job.fine_tuned_model)] == "Верните товар за 14 дней, деньги придут на карту."
    assert answers[MODEL] != answers[str(job.fine_tuned_model)]


async def test_streaming(client: AsyncOpenAI) -> None:
    job = await train(client)
    stream = await client.chat.completions.create(
        model=str(job.fine_tuned_model),
        messages=[{"role": "user", "content": "Вопрос номер 7"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "Ответ номер 7"
    assert len(chunks) > 4
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"


async def test_trained_tool_call_then_trained_answer(client: AsyncOpenAI) -> None:
    job = await train(client)
    model, question = str(job.fine_tuned_model), {"role": "user", "content": "where is parcel 77"}
    async with client.chat.completions.stream(model=model, messages=[question], tools=TOOLS) as stream:  # type: ignore[arg-type, list-item]
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert final.choices[0].finish_reason == "tool_calls"
    assert calls is not None
    assert (calls[0].function.name, json.loads(calls[0].function.arguments)) == ("find_order", {"id": "77"})
    call = {
        "id": calls[0].id,
        "type": "function",
        "function": {"name": "find_order", "arguments": '{"id": "77"}'},
    }
    result = {"role": "tool", "tool_call_id": calls[0].id, "content": '{"state": "in transit"}'}
    history = [question, {"role": "assistant", "tool_calls": [call]}, result]
    answer = await client.chat.completions.create(model=model, messages=history, tools=TOOLS)  # type: ignore[arg-type]
    assert answer.choices[0].message.content == "Your parcel is on its way."
    without = await client.chat.completions.create(model=model, messages=[question])  # type: ignore[list-item]
    assert without.choices[0].message.tool_calls is None


async def test_a_deleted_model_is_not_found(client: AsyncOpenAI) -> None:
    job = await train(client)
    model = str(job.fine_tuned_model)
    assert model in [found.id async for found in client.models.list()]
    assert (await client.models.retrieve(model)).owned_by == job.organization_id
    assert (await client.models.delete(model)).deleted
    for call in (
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Вопрос"}]),
        client.models.retrieve(model),
        client.models.delete(model),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            await call
        assert caught.value.code == "model_not_found"


async def test_training_goes_on_from_a_fine_tuned_model(client: AsyncOpenAI) -> None:
    first = await train(client)
    lines = training_lines(example(f"Новая тема {n}", f"Новый ответ {n}") for n in range(10))
    second = await client.fine_tuning.jobs.create(
        model=str(first.fine_tuned_model), training_file=await upload(client, lines)
    )
    while second.finished_at is None:
        await asyncio.sleep(0.02)
        second = await client.fine_tuning.jobs.retrieve(second.id)
    for question, expected in [("Новая тема 3", "Новый ответ 3"), ("Вопрос номер 5", "Ответ номер 5")]:
        answer = await client.chat.completions.create(
            model=str(second.fine_tuned_model), messages=[{"role": "user", "content": question}]
        )
        assert answer.choices[0].message.content == expected


async def test_the_model_outlives_its_training_file(client: AsyncOpenAI) -> None:
    job = await train(client)
    await client.files.delete(job.training_file)
    answer = await client.chat.completions.create(
        model=str(job.fine_tuned_model), messages=[{"role": "user", "content": "Вопрос номер 3"}]
    )
    assert answer.choices[0].message.content == "Ответ номер 3"
    with pytest.raises(openai.BadRequestError) as caught:
        await client.fine_tuning.jobs.create(model=MODEL, training_file=job.training_file)
    assert caught.value.param == "training_file"


async def test_accounts_see_nothing_of_each_other(client: AsyncOpenAI, simulator: RunningSimulator) -> None:
    job = await train(client)
    async with AsyncOpenAI(api_key="sk-two", base_url=simulator.base_url, max_retries=0) as other:
        assert [file async for file in other.files.list()] == []
        assert [found async for found in other.fine_tuning.jobs.list()] == []
        assert [m.id async for m in other.models.list() if m.id.startswith("ft:")] == []
        model = str(job.fine_tuned_model)
        for call in (
            other.files.retrieve(job.training_file),
            other.files.content(job.training_file),
            other.files.delete(job.training_file),
            other.fine_tuning.jobs.retrieve(job.id),
            other.fine_tuning.jobs.cancel(job.id),
            other.models.delete(model),
            other.chat.completions.create(model=model, messages=[{"role": "user", "content": "Вопрос"}]),
        ):
            with pytest.raises(openai.NotFoundError):
                await call
        with pytest.raises(openai.BadRequestError):
            await other.fine_tuning.jobs.create(model=MODEL, training_file=job.training_file)
    assert (await client.files.retrieve(job.training_file)).id == job.training_file
