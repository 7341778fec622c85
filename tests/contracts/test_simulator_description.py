"""Every answer of the simulator is exactly as the official description says."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from deploy.simulator.app import API
from deploy.simulator.description import check_answer, description
from deploy.simulator.testing import RunningSimulator, TurnedClock, question_lines

TOOL = {
    "type": "function",
    "function": {
        "name": "find_order",
        "parameters": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
    },
}
# Described, but not what fine-tuning of chat models needs.
NOT_SERVED = {
    "GET /chat/completions",
    "POST /moderations",
    "POST /fine_tuning/alpha/graders/run",
    "POST /fine_tuning/alpha/graders/validate",
    "GET /fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions",
    "POST /fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions",
    "DELETE /fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions/{permission_id}",
}


def examples(count: int = 12) -> bytes:
    return question_lines("Question {}", "Answer {}", count)


class CheckedClient:
    """An HTTP client that holds each answer against the description and remembers what was covered."""

    def __init__(self, base_url: str) -> None:
        self.covered: set[str] = set()
        self.http = httpx.Client(
            base_url=base_url,
            headers={"authorization": "Bearer sk-described"},
            event_hooks={"response": [self._check]},
        )

    def _check(self, response: httpx.Response) -> None:
        path = response.request.url.path.removeprefix("/v1")
        media_type = response.headers["content-type"].partition(";")[0]
        covered = check_answer(
            response.request.method, path, response.status_code, media_type, response.read()
        )
        if response.status_code == 200:
            self.covered.add(covered)

    def upload(self, content: bytes, name: str = "train.jsonl", **fields: str) -> str:
        form = {"purpose": "fine-tune", **fields}
        answer = self.http.post("/files", data=form, files={"file": (name, content)})
        return str(answer.raise_for_status().json()["id"])

    def create(self, file_id: str, **settings: object) -> httpx.Response:
        body = {"model": "gpt-4o-mini-2024-07-18", "training_file": file_id, **settings}
        return self.http.post("/fine_tuning/jobs", json=body)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def client(tmp_path: Path, clock: TurnedClock) -> Iterator[CheckedClient]:
    with RunningSimulator(tmp_path, speed=1, clock=clock) as simulator:
        checked = CheckedClient(simulator.base_url)
        with checked.http:
            yield checked


def described_operations() -> set[str]:
    methods = ("get", "post", "delete")
    return {
        f"{method.upper()} {path}"
        for path, operations in description()["paths"].items()
        for method in methods
        if method in operations
    }


def test_every_path_in_its_plain_course(client: CheckedClient, clock: TurnedClock) -> None:
    http = client.http
    assert http.get("/files").json() == {
        "object": "list",
        "data": [],
        "first_id": "",
        "last_id": "",
        "has_more": False,
    }
    _walk_uploads(http)
    job_id, model = _walk_a_job(client, clock)
    _walk_controls(client, clock)
    _walk_files(client, job_id)
    _walk_chat(http, model)
    assert http.get("/models").json()["data"][-1]["id"] == model
    assert http.get(f"/models/{model}").json()["shutdown_date"] == "2027-01-14"
    assert http.delete(f"/models/{model}").json()["deleted"] is True
    assert client.covered == described_operations() - NOT_SERVED
    assert len(client.covered) == len(API)


def _walk_uploads(http: httpx.Client) -> None:
    content = examples()
    body = {
        "filename": "t.jsonl",
        "purpose": "fine-tune",
        "bytes": len(content),
        "mime_type": "application/jsonl",
    }
    upload = http.post("/uploads", json=body).json()
    halves = content[:100], content[100:]
    parts = [
        http.post(f"/uploads/{upload['id']}/parts", files={"data": half}).json()["id"] for half in halves
    ]
    finish = {"part_ids": parts, "md5": hashlib.md5(content).hexdigest()}
    done = http.post(f"/uploads/{upload['id']}/complete", json=finish).json()
    assert done["status"] == "completed"
    assert http.get(f"/files/{done['file']['id']}/content").content == content
    other = http.post("/uploads", json=body).json()
    assert http.post(f"/uploads/{other['id']}/cancel").json()["status"] == "cancelled"


def _walk_a_job(client: CheckedClient, clock: TurnedClock) -> tuple[str, str]:
    http, train, valid = client.http, client.upload(examples(12)), client.upload(examples(2), "valid.jsonl")
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4, "batch_size": 3}}}
    created = client.create(
        train, validation_file=valid, suffix="Cap 1", seed=7, metadata={"run_id": "r-1"}, method=method
    ).json()
    path, states = f"/fine_tuning/jobs/{created['id']}", [created["status"]]
    for seconds in (2.1, 2.1, 5.0, 6.0):
        clock.move(seconds)
        states.append(http.get(path).json()["status"])
        http.get(path + "/events", params={"limit": 100})
        http.get(path + "/checkpoints")
        http.get("/fine_tuning/jobs")
    assert states == ["validating_files", "queued", "running", "running", "succeeded"]
    job = http.get(path).json()
    assert job["hyperparameters"] == {"n_epochs": 4, "batch_size": 3, "learning_rate_multiplier": 1.8}
    assert job["fine_tuned_model"].startswith("ft:gpt-4o-mini-2024-07-18:")
    assert job["fine_tuned_model"].split(":")[3] == "cap-1"
    assert job["trained_tokens"] > 0
    assert [c["step_number"] for c in http.get(path + "/checkpoints").json()["data"]] == [16, 12, 8]
    rows = http.get(f"/files/{job['result_files'][0]}/content").text.splitlines()
    assert rows[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert len(rows) == 1 + 16
    return job["id"], job["fine_tuned_model"]


def _walk_controls(client: CheckedClient, clock: TurnedClock) -> None:
    http, path = client.http, f"/fine_tuning/jobs/{client.create(client.upload(examples())).json()['id']}"
    clock.move(5)
    assert http.post(path + "/pause").json()["status"] == "paused"
    clock.move(1000)
    assert http.post(path + "/resume").json()["status"] == "running"
    assert http.post(path + "/cancel").json()["status"] == "cancelled"
    clock.move(1000)
    assert http.get(path).json()["fine_tuned_model"] is None
    told = [event["message"] for event in http.get(path + "/events", params={"limit": 3}).json()["data"]]
    assert told[0] == "Fine-tuning job cancelled"


def _walk_files(client: CheckedClient, job_id: str) -> None:
    http = client.http
    life = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file_id = client.upload(examples(), "mortal.jsonl", **life)
    shown = http.get(f"/files/{file_id}").json()
    assert shown["expires_at"] == shown["created_at"] + 3600
    assert http.get("/files", params={"purpose": "fine-tune", "limit": 1}).json()["first_id"] == file_id
    results = http.get("/files", params={"purpose": "fine-tune-results"}).json()["data"]
    assert [file["id"] for file in results] == ["file-" + job_id.removeprefix("ftjob-")]
    assert http.delete(f"/files/{file_id}").json()["deleted"] is True
    assert http.get(f"/files/{file_id}").status_code == 404


def _walk_chat(http: httpx.Client, model: str) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Question 7"}]
    for name in ("gpt-4o", model, model + ":ckpt-step-12"):
        plain = http.post("/chat/completions", json={"model": name, "messages": messages}).json()
        assert (plain["choices"][0]["message"]["content"] == "Answer 7") == (name != "gpt-4o")
        for extra in ({}, {"stream_options": {"include_usage": True}}):
            http.post(
                "/chat/completions", json={"model": name, "messages": messages, "stream": True, **extra}
            )
    called = {"model": "gpt-4o", "messages": messages, "tools": [TOOL], "tool_choice": "required"}
    answer = http.post("/chat/completions", json=called).json()["choices"][0]
    assert answer["finish_reason"] == "tool_calls"
    http.post("/chat/completions", json={**called, "stream": True})


def test_failed_job(client: CheckedClient, clock: TurnedClock) -> None:
    path = f"/fine_tuning/jobs/{client.create(client.upload(examples(3))).json()['id']}"
    assert client.http.get(path).json()["error"] is None
    clock.move(2.1)
    job = client.http.get(path).json()
    assert (job["status"], job["error"]["code"], job["error"]["param"]) == (
        "failed",
        "invalid_n_examples",
        "training_file",
    )
    assert job["error"]["message"] == "Training file has 3 example(s), but must have at least 10 examples"
    assert client.http.get(path + "/events").json()["data"][0]["level"] == "error"


@pytest.mark.parametrize(
    ("header", "code"),
    [(None, None), ("Bearer pk-1", "invalid_api_key"), ("Basic c2stMTo=", None), ("Bearer", None)],
)
def test_wrong_keys_get_the_real_401(client: CheckedClient, header: str | None, code: str | None) -> None:
    for method, path in [("GET", "/files"), ("POST", "/chat/completions"), ("GET", "/nowhere")]:
        request = client.http.build_request(method, path)
        del request.headers["authorization"]
        if header is not None:
            request.headers["authorization"] = header
        answer = client.http.send(request)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
        assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param", "code"),
    [
        ("GET", "/files/file-none", None, 404, "id", None),
        ("DELETE", "/files/file-none", None, 404, "id", None),
        ("GET", "/files/file-none/content", None, 404, "id", None),
        ("GET", "/files?limit=0", None, 400, "limit", "invalid_value"),
        ("GET", "/files?order=up", None, 400, "order", "invalid_value"),
        ("GET", "/files?after=file-none", None, 404, "id", None),
        ("POST", "/uploads", {"filename": "a.jsonl"}, 400, "purpose", "missing_required_parameter"),
        ("POST", "/uploads/upload_none/complete", {"part_ids": []}, 404, "id", None),
        ("POST", "/uploads/upload_none/parts", None, 404, "id", None),
        ("GET", "/fine_tuning/jobs/ftjob-none", None, 404, "fine_tune_id", "fine_tune_not_found"),
        ("POST", "/fine_tuning/jobs/ftjob-none/cancel", None, 404, "fine_tune_id", "fine_tune_not_found"),
        ("GET", "/fine_tuning/jobs/ftjob-none/events", None, 404, "fine_tune_id", "fine_tune_not_found"),
        ("GET", "/fine_tuning/jobs?after=ftjob-none", None, 400, "after", "invalid_value"),
        ("GET", "/models/ft:gpt-4o-2024-08-06:o::1", None, 404, None, "model_not_found"),
        ("DELETE", "/models/gpt-4o", None, 403, None, None),
        ("POST", "/chat/completions", {"messages": []}, 400, "model", "missing_required_parameter"),
        ("POST", "/chat/completions", {"model": "gpt-4o"}, 400, "messages", "missing_required_parameter"),
        ("POST", "/chat/completions", {"model": "gpt-4o", "messages": []}, 400, "messages", "invalid_value"),
        (
            "POST",
            "/chat/completions",
            {"model": "gpt-none", "messages": [{"role": "user", "content": "x"}]},
            404,
            None,
            "model_not_found",
        ),
        (
            "POST",
            "/chat/completions",
            {"model": "gpt-4o", "messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]},
            400,
            "messages.[0].role",
            None,
        ),
        ("GET", "/nowhere", None, 404, None, None),
        ("DELETE", "/files", None, 404, None, None),
    ],
)
def test_refusals(
    client: CheckedClient,
    method: str,
    path: str,
    body: object,
    status: int,
    param: str | None,
    code: str | None,
) -> None:
    answer = client.http.request(method, path, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)


@pytest.mark.parametrize(
    ("settings", "param", "code"),
    [
        ({"training_file": "file-none"}, "training_file", "invalid_training_file"),
        ({"validation_file": "file-none"}, "validation_file", "invalid_validation_file"),
        ({"model": "gpt-5-mini"}, "model", "model_not_available"),
        ({"model": None}, "model", "missing_required_parameter"),
        ({"suffix": "x" * 65}, "suffix", "invalid_value"),
        ({"seed": -1}, "seed", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "invalid_value"),
        ({"metadata": {"a": "x" * 513}}, "metadata", "invalid_value"),
        ({"hyperparameters": {"n_epochs": 51}}, "hyperparameters.n_epochs", "invalid_value"),
        ({"hyperparameters": {"batch_size": "big"}}, "hyperparameters.batch_size", "invalid_type"),
        (
            {
                "method": {
                    "type": "supervised",
                    "supervised": {"hyperparameters": {"learning_rate_multiplier": 0}},
                }
            },
            "method.supervised.hyperparameters.learning_rate_multiplier",
            "invalid_value",
        ),
        ({"method": {"type": "reinforcement"}}, "method.type", "invalid_value"),
    ],
)
def test_refused_jobs(client: CheckedClient, settings: dict[str, object], param: str, code: str) -> None:
    answer = client.create(client.upload(examples()), **settings)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, param, code)
    assert client.http.get("/fine_tuning/jobs").json()["data"] == []


@pytest.mark.parametrize(
    ("fields", "name", "content"),
    [
        ({}, "train.txt", b"{}\n"),
        ({}, "train.jsonl", b""),
        ({}, "train.jsonl", b"not json\n"),
        ({"purpose": "evals"}, "train.jsonl", b"{}\n"),
        ({"expires_after[anchor]": "created_at", "expires_after[seconds]": "60"}, "train.jsonl", b"{}\n"),
    ],
)
def test_refused_files(client: CheckedClient, fields: dict[str, str], name: str, content: bytes) -> None:
    form = {"purpose": "fine-tune", **fields}
    assert client.http.post("/files", data=form, files={"file": (name, content)}).status_code == 400
    assert client.http.get("/files").json()["data"] == []


def test_upload_with_a_wrong_checksum_or_size_makes_no_file(client: CheckedClient) -> None:
    content, http = examples(), client.http
    for size, md5 in [(len(content), base64.b16encode(b"x" * 16).decode()), (len(content) + 1, None)]:
        body = {
            "filename": "t.jsonl",
            "purpose": "fine-tune",
            "bytes": size,
            "mime_type": "application/jsonl",
        }
        path = f"/uploads/{http.post('/uploads', json=body).json()['id']}"
        part = http.post(path + "/parts", files={"data": content}).json()["id"]
        assert http.post(path + "/complete", json={"part_ids": [part], "md5": md5}).status_code == 400
    assert http.get("/files").json()["data"] == []


def test_an_expired_file_is_gone(client: CheckedClient, clock: TurnedClock) -> None:
    life = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file_id = client.upload(examples(), **life)
    clock.move(3601)
    assert client.http.get(f"/files/{file_id}").status_code == 404
    assert client.http.get("/files").json()["data"] == []


def test_no_admin_path_unless_asked_for(tmp_path: Path) -> None:
    with RunningSimulator(tmp_path, with_admin=False) as simulator:
        answer = httpx.get(simulator.address + "/_admin/jobs", headers={"authorization": "Bearer sk-1"})
        assert answer.status_code == 404
