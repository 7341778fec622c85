"""mortarboardctl on a real broker that keeps rights: plan, apply, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from contracts.topics import DAY_MS, TOPICS, dead_letter_topics
from deploy.ctl import wire
from deploy.ctl.plan import wanted_acls
from deploy.stack.secure import ADMIN
from deploy.stack.servers import Servers
from deploy.stack.topics import admin, partitions_of
from tests.harness import PORTS, ROOT


class Ctl:
    """`python -m deploy.ctl` as one of a broker's users."""

    def __init__(self, servers: Servers, user: str) -> None:
        assert servers.secure
        self.env = os.environ | servers.secure.kafka_environment(user)
        self.env["MORTARBOARD_KAFKA_BOOTSTRAP"] = servers.bootstrap

    def __call__(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "deploy.ctl", *arguments],
            cwd=ROOT, env=self.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr


async def test_a_bare_broker_is_made_what_the_contracts_say(tmp_path: Path) -> None:
    servers = Servers.on_free_ports(tmp_path / "own", secure=True, ports=PORTS)
    await servers.start_kafka()
    try:
        await _made(servers)
    finally:
        await servers.kafka.stop()


async def _made(servers: Servers) -> None:
    assert servers.secure
    ctl, operator = Ctl(servers, ADMIN), Ctl(servers, "mortarboardctl")
    status, said = operator("topics", "plan")
    assert status == 1
    assert "authentication failed: look at MORTARBOARD_KAFKA_USERNAME" in said, "there is no such user yet"

    status, said = ctl("topics", "plan", "--json")
    todo = json.loads(said)
    declared = TOPICS | dead_letter_topics()
    kinds = [one["kind"] for one in todo["changes"]]
    assert (status, kinds.count("create topic"), kinds.count("give")) == (
        2,
        len(declared),
        len(wanted_acls()),
    )
    assert await partitions_of(servers.broker, declared) == {}, "a plan changes nothing"

    assert ctl("users", "apply", "--passwords", str(servers.secure.folder))[0] == 0
    status, said = ctl("topics", "apply")
    assert status == 0, said
    there = await partitions_of(servers.broker, declared)
    assert {name: len(places) for name, places in there.items()} == {
        name: topic.partitions for name, topic in declared.items()
    }
    async with admin(servers.broker) as client:
        assert await wire.acls(client) == wanted_acls()

    # from here on the operator, who may make topics and give rights, and is no super user
    assert operator("topics", "plan") == (0, "nothing to do: the broker has what the contracts say\n")
    extra = wire.Acl("User:agent-svc", "topic", "chat.", "prefix", "Read")
    async with admin(servers.broker) as client:
        await wire.set_config(client, "chat.events", {"retention.ms": str(30 * DAY_MS)})
        await wire.set_config(
            client, "agent.routed", {"max.message.bytes": "1000", "min.insync.replicas": "1"}
        )
        await wire.add_acls(client, [extra])
    status, said = operator("topics", "plan")
    assert status == 1
    assert "~ set          agent.routed: max.message.bytes 1000 → 2097152" in said
    assert "- take         User:agent-svc: Read on topic chat. and all whose names begin so" in said
    assert "! refused      chat.events: retention.ms 2592000000 → 604800000" in said
    assert operator("topics", "apply")[0] == 1
    assert operator("topics", "plan")[1] == said, "a refusal leaves everything as it was"

    assert operator("topics", "apply", "--allow-data-loss", "chat.events")[0] == 0
    assert operator("topics", "plan")[0] == 0
    async with admin(servers.broker) as client:
        assert extra not in await wire.acls(client)
