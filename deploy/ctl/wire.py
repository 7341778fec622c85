"""Requests to Kafka that aiokafka's admin client does not have: rights, SCRAM users, single settings."""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest_v1, DeleteAclsRequest_v1, DescribeAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    String,
    TaggedFields,
)

RESOURCES = {"topic": 2, "group": 3, "cluster": 4, "transactionalId": 5}
PATTERNS = {"literal": 3, "prefix": 4}
OPERATIONS = {
    "All": 2, "Read": 3, "Write": 4, "Create": 5, "Delete": 6, "Alter": 7, "Describe": 8, "ClusterAction": 9,
    "DescribeConfigs": 10, "AlterConfigs": 11, "IdempotentWrite": 12,
}  # fmt: skip
ANY, ALLOW, EVERYWHERE, TOPIC, SET = 1, 3, "*", 2, 0
SECURITY_DISABLED = 54
NOT_ALLOWED = (29, 31)
"""Kafka's codes for rights that are missing, on a topic and on the cluster; its own words are of no use."""
ITERATIONS = 8192
SCRAM = {"SCRAM-SHA-256": (1, "sha256"), "SCRAM-SHA-512": (2, "sha512")}


class RefusedError(Exception):
    """The broker refused; the text is its own."""


class NoAuthorizerError(RefusedError):
    """The broker keeps no rights: everybody may do everything."""


class Acl(NamedTuple):
    """One operation allowed to one principal on one thing, from anywhere."""

    principal: str
    resource: str
    name: str
    pattern: str
    operation: str


async def acls(client: AIOKafkaAdminClient) -> set[Acl]:
    """Every allowing right that the words above can tell; raises NoAuthorizerError, RefusedError."""
    answer = await client._send_request(DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY))
    if answer.error_code == SECURITY_DISABLED:
        raise NoAuthorizerError(answer.error_message or "the broker has no authorizer")
    _refuse(answer.error_code, answer.error_message)
    kinds, patterns, operations = map(_turned, (RESOURCES, PATTERNS, OPERATIONS))
    return {
        Acl(principal, kinds[kind], name, patterns[pattern], operations[does])
        for kind, name, pattern, entries in answer.resources
        for principal, host, does, permission in entries
        if permission == ALLOW and host == EVERYWHERE
        if kind in kinds and pattern in patterns and does in operations
    }


async def add_acls(client: AIOKafkaAdminClient, some: Collection[Acl]) -> None:
    """Allow them, all at once: one by one each takes the broker a tenth of a second."""
    if some:
        answer = await client._send_to_controller(_CreateAcls(some))
        for code, text in answer.creation_responses:
            _refuse(code, text)


async def remove_acls(client: AIOKafkaAdminClient, some: Collection[Acl]) -> None:
    """Allow them no longer."""
    if some:
        answer = await client._send_to_controller(_DeleteAcls(some))
        for code, text, _ in answer.filter_responses:
            _refuse(code, text)


def _numbers(acl: Acl) -> tuple[Any, ...]:
    return (
        RESOURCES[acl.resource], acl.name, PATTERNS[acl.pattern], acl.principal, EVERYWHERE,
        OPERATIONS[acl.operation], ALLOW,
    )  # fmt: skip


async def set_config(client: AIOKafkaAdminClient, topic: str, values: Mapping[str, str]) -> None:
    """Set these settings of a topic and leave its others alone."""
    answer = await client._send_to_controller(_AlterConfigs(topic, values))
    for code, text, _, _ in answer.responses:
        _refuse(code, text)


async def set_passwords(client: AIOKafkaAdminClient, mechanism: str, passwords: Mapping[str, str]) -> None:
    """Make SCRAM users, or give them other passwords; what is connected stays connected."""
    answer = await client._send_to_controller(_AlterUsers(mechanism, passwords))
    for _, code, text, _ in answer.results:
        _refuse(code, text)


def _refuse(code: int, text: str | None) -> None:
    if code in NOT_ALLOWED:
        raise RefusedError("this Kafka user may not do that; mortarboardctl's and administrators may")
    if code:
        raise RefusedError(text or f"Kafka's error code {code}")


def _turned(table: Mapping[str, int]) -> dict[int, str]:
    return {number: name for name, number in table.items()}


class _CreateAcls(Request[CreateAclsRequest_v1]):  # type: ignore[misc]
    """CreateAcls of many; aiokafka's own class makes one."""

    API_KEY = CreateAclsRequest_v1.API_KEY

    def __init__(self, some: Iterable[Acl]) -> None:
        self._some = [_numbers(one) for one in some]

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        return request_struct_class(self._some)


class _DeleteAcls(Request[DeleteAclsRequest_v1]):  # type: ignore[misc]
    """DeleteAcls of many."""

    API_KEY = DeleteAclsRequest_v1.API_KEY

    def __init__(self, some: Iterable[Acl]) -> None:
        self._some = [_numbers(one) for one in some]

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        return request_struct_class(self._some)


class _AlterConfigsResponse(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 44, 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _AlterConfigsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION = 44, 0
    RESPONSE_TYPE = _AlterConfigsResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(("name", String("utf-8")), ("operation", Int8), ("value", String("utf-8"))),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class _AlterConfigs(Request[_AlterConfigsStruct]):  # type: ignore[misc]
    """IncrementalAlterConfigs of one topic (KIP-339)."""

    API_KEY = 44

    def __init__(self, topic: str, values: Mapping[str, str]) -> None:
        self._resource = (TOPIC, topic, [(name, SET, value) for name, value in values.items()])

    def build(self, request_struct_class: type[_AlterConfigsStruct]) -> _AlterConfigsStruct:
        return request_struct_class([self._resource], False)  # noqa: FBT003 -- by place on the wire


class _AlterUsersResponse(Response):  # type: ignore[misc]
    API_KEY, API_VERSION = 51, 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterUsersStruct(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION = 51, 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _AlterUsersResponse
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _AlterUsers(Request[_AlterUsersStruct]):  # type: ignore[misc]
    """AlterUserScramCredentials (KIP-554): the broker gets the salted password, never the password."""

    API_KEY = 51

    def __init__(self, mechanism: str, passwords: Mapping[str, str]) -> None:
        number, digest = SCRAM[mechanism]
        self._users = list(_salted(number, digest, passwords))

    def build(self, request_struct_class: type[_AlterUsersStruct]) -> _AlterUsersStruct:
        return request_struct_class([], self._users, {})


def _salted(number: int, digest: str, passwords: Mapping[str, str]) -> Iterable[tuple[Any, ...]]:
    for name, password in passwords.items():
        salt = secrets.token_bytes(24)
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), salt, ITERATIONS)
        yield name, number, ITERATIONS, salt, salted, {}
