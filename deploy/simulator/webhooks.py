"""Webhooks: jobs that end are reported to addresses, signed as the provider signs; kept in memory."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.simulator import errors, lifecycle
from deploy.simulator.accounts import account_of_key
from deploy.simulator.records import Job
from deploy.simulator.wire import Simulator, json_body, text

LOOK_EVERY = 0.1
LONGEST_PAUSE = 10.0
PREFIX = "whsec_"


@dataclass(slots=True)
class Subscription:
    """Where an account's ended jobs are reported, and which were."""

    account: str
    url: str
    secret: bytes
    reported: set[str] = field(default_factory=set)
    pause: float = 0.0
    next_try: float = 0.0


def signed(secret: bytes, report_id: str, at: int, body: bytes) -> dict[str, str]:
    """The three headers of a report; `at` in seconds since the epoch."""
    mac = hmac.new(secret, f"{report_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": report_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


class Reporter:
    """Looks for jobs that ended and reports each until it is taken."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim
        self.subscriptions: list[Subscription] = []

    async def run(self) -> None:
        """Report until cancelled."""
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            while True:
                await asyncio.sleep(LOOK_EVERY)
                for one in self.subscriptions:
                    if one.next_try <= time.monotonic():
                        await self._report(client, one)

    async def _report(self, client: httpx.AsyncClient, to: Subscription) -> None:
        now = self._sim.clock()
        for job in reversed(self._sim.store.jobs(to.account)):
            state = lifecycle.status(job, now)
            if state not in lifecycle.FINAL or job.id in to.reported:
                continue
            if not await _taken(client, to, job, state):
                to.pause = min(max(to.pause * 2, LOOK_EVERY), LONGEST_PAUSE)
                to.next_try = time.monotonic() + to.pause
                return
            to.reported.add(job.id)
            to.pause = 0.0


async def _taken(client: httpx.AsyncClient, to: Subscription, job: Job, state: str) -> bool:
    at = int(time.time())
    body = json.dumps(
        {
            "id": f"evt_{job.id.removeprefix('ftjob-')}",
            "object": "event",
            "created_at": at,
            "type": f"fine_tuning.job.{state}",
            "data": {"id": job.id},
        }
    ).encode()
    try:
        answer = await client.post(to.url, content=body, headers=signed(to.secret, f"wh_{job.id}", at, body))
    except httpx.HTTPError:
        return False
    return answer.is_success


async def subscribe(request: Request) -> Response:
    """POST /_admin/webhooks {key, url, secret}: report that account's ended jobs from now on."""
    body = await json_body(request)
    url, secret = text(body, "url"), text(body, "secret")
    if not url.startswith("http://127.0.0.1:"):
        raise errors.wrong_value("url", "must be on this machine: http://127.0.0.1:…")
    try:
        decoded = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise errors.wrong_value("secret", f"must be {PREFIX} and base64") from None
    reporter = request.app.state.reporter
    reporter.subscriptions.append(Subscription(account_of_key(text(body, "key")).id, url, decoded))
    return JSONResponse({"url": url}, status_code=201)
