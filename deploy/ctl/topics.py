"""`topics plan|apply`: the difference between the contracts and a broker, and what makes it go away."""

import argparse
import asyncio
import json
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from deploy.ctl.plan import PRINCIPAL, Change, Found, FoundTopic, Plan, plan
from deploy.ctl.wire import Acl, NoAuthorizerError, RefusedError, acls, add_acls, remove_acls, set_config
from deploy.stack.broker import Broker
from deploy.stack.topics import admin, declared

NOTHING, REFUSED, CHANGES = 0, 1, 2
SEEN_WITHIN_S = 20.0
SIGNS = {"create topic": "+", "set": "~", "give": "+", "take": "-"}
DEFAULT_REPLICATION = -1
"""As many copies as the broker gives a topic by default."""


def arguments(command: argparse.ArgumentParser) -> None:
    """The options of plan and apply."""
    command.add_argument(
        "--allow-data-loss", action="append", default=[], metavar="TOPIC",
        help="this topic's records may go; for a shorter retention",
    )  # fmt: skip
    command.add_argument(
        "--principal", default=PRINCIPAL, metavar="TEMPLATE",
        help="how the broker knows a principal (default User:{name}; User:CN={name} by certificate)",
    )  # fmt: skip
    command.add_argument(
        "--without-access", action="store_true", help="leave rights alone: somebody else keeps them"
    )
    command.add_argument(
        "--replication", type=int, default=DEFAULT_REPLICATION, metavar="N",
        help="copies of each new topic (default: the broker's)",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="for machines")


def run(broker: Broker, prefix: str, asked: argparse.Namespace) -> int:
    """Plan or apply; the exit status: 0 nothing to do or all done, 1 refused, 2 a plan with changes."""
    return asyncio.run(_run(broker, prefix, asked))


async def _run(broker: Broker, prefix: str, asked: argparse.Namespace) -> int:
    async with admin(broker) as client:
        found = await look(client, rights=not asked.without_access)
        todo = plan(
            declared(), found, prefix=prefix, principal=asked.principal, may_lose=asked.allow_data_loss
        )
        print(json.dumps(todo.as_json(), ensure_ascii=False) if asked.json else in_words(todo))
        if todo.refusals:
            return REFUSED
        if asked.action == "plan":
            return CHANGES if todo.changes else NOTHING
        await apply(client, todo.changes, asked.replication)
        if not asked.json:
            print(f"done: {len(todo.changes)} changes")
    return NOTHING


async def look(client: AIOKafkaAdminClient, *, rights: bool = True) -> Found:
    """Read from the broker what a plan is made from."""
    names = [name for name in await client.list_topics() if not name.startswith("__")]
    described = await client.describe_topics(names) if names else []
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for answer in await client.describe_configs(asked) if names else []:
        for code, text, _, name, entries in answer.resources:
            if code:
                raise RefusedError(f"{name}: {text or f'error code {code}'}")
            configs[name] = {entry[0]: entry[1] for entry in entries}
    topics = {
        one["topic"]: FoundTopic(len(one["partitions"]), configs.get(one["topic"], {})) for one in described
    }
    try:
        there: frozenset[Acl] | None = frozenset(await acls(client)) if rights else None
    except NoAuthorizerError:
        there = None
    return Found(topics, there, rights_elsewhere=not rights)


async def apply(
    client: AIOKafkaAdminClient, changes: Sequence[Change], replication: int = DEFAULT_REPLICATION
) -> None:
    """Do what a plan says, and wait until the broker shows it. Raises RefusedError."""
    new = [one for one in changes if one.kind == "create topic"]
    if new:
        topics = [NewTopic(one.name, one.partitions, 1, topic_configs=dict(one.values)) for one in new]
        for topic in topics:
            topic.replication_factor = replication  # the constructor takes no word for "the broker's own"
        answer = (await client.create_topics(topics, timeout_ms=30_000)).to_object()
        for entry in answer["topic_errors"]:
            if entry["error_code"]:
                raise RefusedError(f"{entry['topic']}: {entry.get('error_message') or entry['error_code']}")
    for one in changes:
        if one.kind == "set":
            await set_config(client, one.name, one.values)
    await add_acls(client, [one.acl for one in changes if one.kind == "give" and one.acl])
    await remove_acls(client, [one.acl for one in changes if one.kind == "take" and one.acl])
    await _seen(client, changes)


async def _seen(client: AIOKafkaAdminClient, changes: Sequence[Change]) -> None:
    """The controller has it; wait for the broker's own view, which follows a moment later."""
    names = {one.name for one in changes if one.kind == "create topic"}
    given = {one.acl for one in changes if one.kind == "give" and one.acl}
    try:
        async with asyncio.timeout(SEEN_WITHIN_S):
            while not names <= set(await client.list_topics()):  # noqa: ASYNC110 -- the broker's view
                await asyncio.sleep(0.05)
            while given and not given <= await acls(client):  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise RefusedError(
            f"the broker does not show it after {SEEN_WITHIN_S:.0f} s: look with topics plan, apply again"
        ) from None


def _rights(todo: Plan) -> list[str]:
    """A line for all that a principal may do alike, or no longer."""
    operations: dict[tuple[str, ...], list[str]] = {}
    for one in todo.changes:
        if acl := one.acl:
            thing = (one.kind, acl.principal, acl.resource, acl.pattern, acl.name)
            operations.setdefault(thing, []).append(acl.operation)
    names: dict[tuple[str, ...], list[str]] = {}
    for (*alike, name), some in operations.items():
        names.setdefault((*alike, ", ".join(some)), []).append(name)
    return [
        f"{SIGNS[kind]} {kind:12} {principal}: {some} on {resource} {', '.join(things)}"
        + ("" if pattern == "literal" else " and all whose names begin so")
        for (kind, principal, resource, pattern, some), things in names.items()
    ]


def in_words(todo: Plan) -> str:
    """The plan for a person: what changes, then what is refused and what to do instead."""
    lines = [
        f"{SIGNS[one.kind]} {one.kind:12} {one.name}: {one.detail}" for one in todo.changes if not one.acl
    ]
    lines += _rights(todo)
    for one in todo.refusals:
        lines += [f"! refused      {one.name}: {one.why}", f"               instead: {one.instead}"]
    lines += [f"· {note}" for note in todo.notes]
    if todo.refusals:
        lines.append(f"{len(todo.refusals)} refused; nothing is changed until they are settled")
    elif not todo.changes:
        lines.append("nothing to do: the broker has what the contracts say")
    return "\n".join(lines)
