"""The agent owner: everything that the web console would do, through the public HTTP APIs."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx

from deploy.demo.dialogs import Dialog
from deploy.demo.show import Show

BASE_MODEL, PROVIDER = "gpt-4o-mini-2024-07-18", "openai"
LOOK_AGAIN_S, LOOKS = 0.1, 300
Answer = dict[str, Any]


class RefusedError(Exception):
    """A service answered a call otherwise than it should."""


class Owner:
    """An owner with a token; every call is told to `show` unless it is quiet."""

    def __init__(self, urls: Mapping[str, str], token: str, show: Show) -> None:
        self._urls = urls
        self._show = show
        self._datasets: dict[str, str] = {}
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
        )
        self.quiet = False

    async def close(self) -> None:
        """Disconnect."""
        await self._http.aclose()

    async def call(
        self, method: str, service: str, path: str, body: Any = None, **headers: str
    ) -> httpx.Response:
        """One call with a body as JSON, or as it is if it is bytes.

        Raises RefusedError with the problem's own words unless it succeeds.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = await self._http.request(method, self._urls[service] + path, headers=named, **sent)
        if not self.quiet:
            self._show.call(method, service, path, answer.status_code)
        if answer.is_error:
            raise RefusedError(f"{method} {path}: {answer.status_code} {_reason(answer)}")
        return answer

    async def put_agent(self, like: Dialog, key: str, name: str = "") -> None:
        """Make the agent of a dialog, and give it a provider key, if there is one."""
        path = f"/v1/agents/{quote(like.agent_id, safe='')}"
        definition = {
            "name": name or like.agent_id.capitalize(),
            "prompt": like.prompt,
            "tools": [tool.model_dump(mode="json") for tool in like.tools],
            "base_model": BASE_MODEL,
            "provider": PROVIDER,
        }
        await self.call("PUT", "agent-svc", path, definition)
        if key:
            await self.call("PUT", "agent-svc", f"{path}/keys/{PROVIDER}", {"key": key})

    async def ask(self, agent_id: str, question: str) -> tuple[str, str]:
        """Ask the agent through the gateway; its answer and the model that gave it."""
        body = {"model": f"agent:{agent_id}", "messages": [{"role": "user", "content": question}]}
        answer = await self.call("POST", "agent-svc", "/v1/chat/completions", body)
        said = answer.json()["choices"][0]["message"]
        calls = [call["function"] for call in said.get("tool_calls") or ()]
        words = [f"{call['name']}({call['arguments']})" for call in calls]
        return said.get("content") or ", ".join(words), answer.headers["x-model"]

    async def dataset_of(self, agent_id: str) -> str:
        """The id of the agent's dataset, asked for once."""
        if agent_id not in self._datasets:
            path = f"/v1/datasets?agent_id={quote(agent_id, safe='')}"
            for _ in range(LOOKS):
                if items := (await self.call("GET", "dataset-svc", path)).json()["items"]:
                    self._datasets[agent_id] = items[0]["id"]
                    break
                await asyncio.sleep(LOOK_AGAIN_S)
            else:
                raise RefusedError(f"agent {agent_id} has no dataset")
        return self._datasets[agent_id]

    async def make_example(self, dialog: Dialog, revision: int) -> None:
        """Press the cap on a dialog, put its wrong answers right, save."""
        await self.call("POST", "dataset-svc", f"{await self.open_example(dialog, revision)}/save")

    async def open_example(self, dialog: Dialog, revision: int) -> str:
        """Press the cap on a dialog, put its wrong answers right; the example's path."""
        dataset = await self.dataset_of(dialog.agent_id)
        wanted = {"dialog_id": dialog.dialog_id, "revision": revision}
        opened = await self.call("POST", "dataset-svc", f"/v1/datasets/{dataset}/examples", wanted)
        path = f"/v1/examples/{opened.json()['id']}"
        if opened.status_code == httpx.codes.ACCEPTED or dialog.corrections:
            await self._correct(path, await self._read_example(path), dialog)
        return path

    async def _correct(self, path: str, seen: httpx.Response, dialog: Dialog) -> None:
        edits = [
            {"op": "edit", "message_id": dialog.message_id(one.message), "content": one.content}
            for one in dialog.corrections
        ]
        if edits:
            operations, etag = {"operations": edits}, seen.headers["etag"]
            await self.call("PATCH", "dataset-svc", path, operations, If_Match=etag)

    async def freeze(self, dataset: str) -> int:
        """Freeze the saved examples; the number of the version once it is ready."""
        path = f"/v1/datasets/{dataset}/versions"
        frozen = await self.call("POST", "dataset-svc", path, {}, Idempotency_Key=str(uuid.uuid4()))
        version = frozen.json()
        for _ in range(LOOKS):
            if version["state"] != "freezing":
                break
            await asyncio.sleep(LOOK_AGAIN_S)
            version = (await self.call("GET", "dataset-svc", f"{path}/{version['version']}")).json()
        if version["state"] != "ready":
            raise RefusedError(f"version {version['version']} is {version['state']}: {version['failure']}")
        return int(version["version"])

    async def train(self, dataset: str, version: int, **settings: Any) -> str:
        """Start training; the id of the run. `settings` add to the demo's, or replace them."""
        path = f"/v1/datasets/{dataset}/versions/{version}/train"
        settings = {"base_model": BASE_MODEL, "provider": PROVIDER, "suffix": "demo"} | settings
        started = await self.call("POST", "dataset-svc", path, settings, Idempotency_Key=str(uuid.uuid4()))
        return str(started.json()["run_id"])

    async def run_until(self, run_id: str, statuses: Collection[str], seconds: float) -> None:
        """Wait until a run has one of these statuses; raises RefusedError after `seconds`."""
        status, deadline = "", asyncio.get_running_loop().time() + seconds
        while status not in statuses:
            if asyncio.get_running_loop().time() > deadline:
                raise RefusedError(f"run {run_id} is {status}, not {' or '.join(sorted(statuses))}")
            await asyncio.sleep(LOOK_AGAIN_S)
            status = (await self.call("GET", "training-svc", f"/v1/runs/{run_id}")).json()["status"]

    async def activate(self, agent_id: str, run_id: str) -> None:
        """Put the model of a run into service."""
        path = f"/v1/models?agent_id={quote(agent_id, safe='')}"
        models = (await self.call("GET", "training-svc", path)).json()["items"]
        model = next((one for one in models if one["model_id"] == run_id), None)
        if model is None:
            raise RefusedError(f"run {run_id} left no model")
        route = await self.call("GET", "agent-svc", f"/v1/agents/{quote(agent_id, safe='')}/route")
        seen = {"expected_route_version": route.json()["route_version"]}
        activate = f"/v1/models/{model['model_id']}/activate"
        await self.call("POST", "training-svc", activate, seen, Idempotency_Key=str(uuid.uuid4()))

    async def came_of(self, model: str) -> int:
        """How many examples the model in service came of; waits until it is known to serve."""
        path = f"/v1/lineage/model/{quote(model, safe='')}?limit=1"
        for _ in range(LOOKS):
            lineage = (await self.call("GET", "dataset-svc", path)).json()
            if lineage["serves_now"]:
                return int(lineage["from"]["examples"]["count"])
            await asyncio.sleep(LOOK_AGAIN_S)
        raise RefusedError(f"{model} is not known to serve")

    async def _read_example(self, path: str) -> httpx.Response:
        """The working copy; it is there as soon as the revision has arrived."""
        for _ in range(LOOKS):
            answer = await self.call("GET", "dataset-svc", path)
            if answer.status_code == httpx.codes.OK:
                return answer
            await asyncio.sleep(LOOK_AGAIN_S)
        raise RefusedError(f"{path} does not become an example")


def _reason(answer: httpx.Response) -> str:
    """The words of a problem document, or of an error in OpenAI's form."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    error = body.get("error")
    return str(error["message"] if isinstance(error, dict) else body.get("detail", ""))


async def fetch_token(issuer: str, tenant: str, role: str = "owner") -> str:
    """A token of the development issuer."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{issuer}/token", json={"tenant": tenant, "role": role, "sub": "olga"})
        answer.raise_for_status()
        return str(answer.json()["access_token"])


@asynccontextmanager
async def signed_in(urls: Mapping[str, str], tenant: str, show: Show) -> AsyncIterator[Owner]:
    """An owner who has signed in; `urls` of the services and the issuer."""
    owner = Owner(urls, await fetch_token(urls["issuer"], tenant), show)
    try:
        yield owner
    finally:
        await owner.close()
