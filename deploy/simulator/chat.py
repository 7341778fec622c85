"""Chat completions: plain and streamed, from the nearest training example or the prompt."""

import asyncio
import json
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from deploy.simulator import tokens
from deploy.simulator.accounts import Account
from deploy.simulator.catalogue import BASE_MODELS
from deploy.simulator.chat_requests import ChatRequest, read_chat
from deploy.simulator.models import FoundModel, find_model
from deploy.simulator.plain_answers import plain_answer
from deploy.simulator.posing import pose_of
from deploy.simulator.recall import Recall, load_recall
from deploy.simulator.wire import Simulator, caller, json_body, new_id, simulator

INDEXES_KEPT = 8
# Seconds between two pieces of a stream at speed 1.
PIECE_SECONDS = 0.02
# GPT models that were trained on a fine-tuned model know its examples too.
MOST_ANCESTORS = 5

Message = Mapping[str, Any]


class Memories:
    """The indexes of the models used last, each built once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, asyncio.Task[Recall]] = OrderedDict()

    async def of(self, job_id: str, paths: Sequence[Path]) -> Recall:
        """The index of a job's training data."""
        task = self._kept.get(job_id)
        if task is None or (task.done() and (task.cancelled() or task.exception())):
            task = asyncio.create_task(asyncio.to_thread(load_recall, paths))
            self._kept[job_id] = task
        self._kept.move_to_end(job_id)
        while len(self._kept) > INDEXES_KEPT:
            self._kept.popitem(last=False)
        return await asyncio.shield(task)


def _training_data(sim: Simulator, account: Account, found: FoundModel) -> list[Path]:
    job = found.job
    paths: list[Path] = []
    parents = {record.id: record.job_id for record in sim.store.models(account.id)}
    while job is not None and len(paths) < MOST_ANCESTORS:
        paths.append(sim.store.blob(job.id))
        parent = parents.get(job.model)
        job = sim.store.job(account.id, parent) if parent else None
    return paths


async def _answer(request: Request, account: Account, asked: ChatRequest) -> Message:
    sim = simulator(request)
    found = find_model(sim, account, asked.model, any_model=pose_of(request).any_model)
    if found.job is not None and asked.tool_choice in ("auto", "none"):
        memories: Memories = request.app.state.memories
        recall = await memories.of(found.job.id, _training_data(sim, account, found))
        names = frozenset(tool["function"]["name"] for tool in asked.tools)
        nearest = await asyncio.to_thread(recall.nearest, asked.messages, names)
        if nearest is not None:
            return nearest
    return plain_answer(asked.messages, asked.tools, asked.tool_choice)


def _shorten(content: str, most: int | None) -> tuple[str, bool]:
    if most is None or tokens.count_text(content) <= most:
        return content, False
    kept, used = [], 0
    for piece in re.findall(r"\s*\S+", content):
        used += tokens.count_text(piece)
        if used > most:
            break
        kept.append(piece)
    return "".join(kept), True


def _message(answer: Message, asked: ChatRequest) -> tuple[dict[str, Any], str]:
    """The assistant message to send and its finish reason; calls get ids of their own."""
    content = answer.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content)
    shown: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if answer.get("tool_calls"):
        shown["tool_calls"] = [
            {"id": new_id("call_"), "type": "function", "function": dict(call["function"])}
            for call in answer["tool_calls"]
        ]
        return shown, "tool_calls"
    shown["content"], cut = _shorten(content or "", asked.max_tokens)
    return shown, "length" if cut else "stop"


def _usage(asked: ChatRequest, message: Message) -> dict[str, object]:
    prompt = tokens.count_messages(asked.messages)
    prompt += tokens.count_text(json.dumps(asked.tools, ensure_ascii=False)) if asked.tools else 0
    answer = (tokens.count_messages([message]) - 6) * asked.choices
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


async def create_completion(request: Request) -> Response:
    """POST /chat/completions."""
    account, sim, asked = caller(request), simulator(request), read_chat(await json_body(request))
    message, finish = _message(await _answer(request, account, asked), asked)
    head: dict[str, object] = {
        "id": new_id("chatcmpl-"),
        "created": int(sim.clock()),
        "model": BASE_MODELS[asked.model].snapshot if asked.model in BASE_MODELS else asked.model,
        "system_fingerprint": "fp_simulator",
    }
    usage = _usage(asked, message)
    if asked.stream:
        pieces = _stream(head, message, finish, usage, asked, PIECE_SECONDS / sim.speed)
        return StreamingResponse(pieces, media_type="text/event-stream")
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": finish}
        for index in range(asked.choices)
    ]
    return JSONResponse(head | {"object": "chat.completion", "choices": choices, "usage": usage})


def _deltas(message: Message) -> list[dict[str, object]]:
    """The pieces of a streamed message: the role, then words or parts of arguments."""
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": "", "refusal": None}]
    if "tool_calls" in message:
        deltas[0]["content"] = None
    deltas += [{"content": piece} for piece in re.findall(r"\s*\S+\s*", message["content"] or "")]
    for index, call in enumerate(message.get("tool_calls", ())):
        function = {"name": call["function"]["name"], "arguments": ""}
        first = {"index": index, "id": call["id"], "type": "function", "function": function}
        deltas.append({"tool_calls": [first]})
        arguments = call["function"]["arguments"]
        for start in range(0, len(arguments), 12):
            piece = {"index": index, "function": {"arguments": arguments[start : start + 12]}}
            deltas.append({"tool_calls": [piece]})
    return deltas


async def _stream(
    head: Mapping[str, object],
    message: Message,
    finish: str,
    usage: Mapping[str, object],
    asked: ChatRequest,
    pause: float,
) -> AsyncIterator[str]:
    common = {**head, "object": "chat.completion.chunk"}
    if asked.include_usage:
        common["usage"] = None
    steps: list[tuple[dict[str, object], str | None]] = [(delta, None) for delta in _deltas(message)]
    for delta, reason in [*steps, ({}, finish)]:
        choices = [
            {"index": index, "delta": delta, "logprobs": None, "finish_reason": reason}
            for index in range(asked.choices)
        ]
        yield _event(common | {"choices": choices})
        await asyncio.sleep(pause)
    if asked.include_usage:
        yield _event(common | {"choices": [], "usage": dict(usage)})
    yield "data: [DONE]\n\n"


def _event(body: Mapping[str, object]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
