"""All SQL on test chats."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from asyncpg import Record

from agent_svc.domain.chat_tree import Call, Chat, Column, Node
from agent_svc.domain.words import Span
from chassis.database import Connection

Row = Record


def _uuid(value: str | None) -> UUID | None:
    return UUID(value) if value is not None else None


def _text(value: UUID | None) -> str | None:
    return str(value) if value is not None else None


def _chat(row: Record, nodes: dict[str, Node]) -> Chat:
    return Chat(
        dialog_id=str(row["dialog_id"]),
        agent_id=row["agent_id"],
        title=row["title"],
        columns=tuple(Column(**one) for one in row["columns"]),
        active=list(row["active"]),
        next_position=row["next_position"],
        revision=row["revision"],
        published_leaf=_text(row["published_leaf"]),
        nodes=nodes,
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        seen_at=row["seen_at"],
    )


def _node(row: Record) -> Node:
    return Node(
        id=str(row["message_id"]),
        parent=_text(row["parent_id"]),
        position=row["position"],
        column=row["column"],
        role=row["role"],
        status=row["status"],
        content=row["content"],
        calls=tuple(Call(**one) for one in row["tool_calls"]),
        call_id=row["tool_call_id"],
        hint=tuple(Span(*one) for one in row["hint"]),
        first=row["first_content"],
        edited=_text(row["edited_id"]),
        model=row["model"],
        agent_version=row["agent_version"],
        attempt=row["attempt"],
        error=row["error"],
        branch=_text(row["branch"]),
        at=row["at"],
    )


async def insert_chat(connection: Connection, tenant: str, chat: Chat, by: str) -> None:
    """Keep a new test chat."""
    await connection.execute(
        """
        INSERT INTO test_chats (tenant_id, dialog_id, agent_id, title, columns, active, created_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        tenant,
        UUID(chat.dialog_id),
        chat.agent_id,
        chat.title,
        [{"use": one.use, "model": one.model} for one in chat.columns],
        chat.active,
        by,
    )


async def get_chat(connection: Connection, tenant: str, dialog_id: UUID) -> Chat | None:
    """Return a test chat with all its messages, or None."""
    row = await connection.fetchrow(
        "SELECT *, clock_timestamp() AS seen_at FROM test_chats WHERE tenant_id = $1 AND dialog_id = $2",
        tenant,
        dialog_id,
    )
    return _chat(row, await _nodes(connection, tenant, dialog_id)) if row is not None else None


async def lock_chat(connection: Connection, tenant: str, dialog_id: UUID) -> Chat | None:
    """Return a test chat with all its messages and hold it until the transaction ends, or None."""
    row = await connection.fetchrow(
        "SELECT *, clock_timestamp() AS seen_at FROM test_chats "
        "WHERE tenant_id = $1 AND dialog_id = $2 FOR UPDATE",
        tenant,
        dialog_id,
    )
    return _chat(row, await _nodes(connection, tenant, dialog_id)) if row is not None else None


async def _nodes(connection: Connection, tenant: str, dialog_id: UUID) -> dict[str, Node]:
    rows = await connection.fetch(
        "SELECT * FROM test_messages WHERE tenant_id = $1 AND dialog_id = $2 ORDER BY position",
        tenant,
        dialog_id,
    )
    return {str(row["message_id"]): _node(row) for row in rows}


async def list_chats(
    connection: Connection, tenant: str, agent_id: str, before: UUID | None, limit: int
) -> list[Row]:
    """Return an agent's test chats, newest first, with how many messages each holds."""
    return await connection.fetch(
        """
        SELECT c.dialog_id, c.title, c.columns, c.created_by, c.created_at, c.changed_at,
               (SELECT count(*) FROM test_messages m
                WHERE m.tenant_id = c.tenant_id AND m.dialog_id = c.dialog_id) AS messages
        FROM test_chats c
        WHERE c.tenant_id = $1 AND c.agent_id = $2 AND ($3::uuid IS NULL OR c.dialog_id < $3)
        ORDER BY c.dialog_id DESC LIMIT $4
        """,
        tenant,
        agent_id,
        before,
        limit,
    )


async def write_chat(connection: Connection, tenant: str, chat: Chat) -> None:
    """Write what was done to a test chat; the caller holds its lock. Its revision rises by one."""
    dialog_id = UUID(chat.dialog_id)
    added = {node.id for node in chat.added}
    latest = [chat.nodes[one] for one in added]
    await connection.executemany(_INSERT, [_values(tenant, dialog_id, node) for node in latest])
    changed = {node.id for node in chat.changed} - added
    await connection.executemany(_UPDATE, [_values(tenant, dialog_id, chat.nodes[one]) for one in changed])
    chat.revision += 1
    await connection.execute(
        """
        UPDATE test_chats SET active = $3, next_position = $4, revision = $5, published_leaf = $6,
                              changed_at = clock_timestamp()
        WHERE tenant_id = $1 AND dialog_id = $2
        """,
        tenant,
        dialog_id,
        chat.active,
        chat.next_position,
        chat.revision,
        _uuid(chat.published_leaf),
    )


_INSERT = """
    INSERT INTO test_messages (tenant_id, dialog_id, message_id, parent_id, position, "column", role, content,
        tool_calls, tool_call_id, hint, first_content, edited_id, model, agent_version, status, attempt,
        error, branch)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
"""
_UPDATE = """
    UPDATE test_messages SET parent_id = $4, position = $5, "column" = $6, role = $7, content = $8,
        tool_calls = $9, tool_call_id = $10, hint = $11, first_content = $12, edited_id = $13, model = $14,
        agent_version = $15, status = $16, attempt = $17, error = $18, branch = $19, at = clock_timestamp()
    WHERE tenant_id = $1 AND dialog_id = $2 AND message_id = $3
"""


def _values(tenant: str, dialog_id: UUID, node: Node) -> tuple[Any, ...]:
    calls = [{"id": one.id, "name": one.name, "arguments": one.arguments} for one in node.calls]
    return (
        tenant, dialog_id, UUID(node.id), _uuid(node.parent), node.position, node.column, node.role,
        node.content, calls, node.call_id, [list(span) for span in node.hint], node.first, _uuid(node.edited),
        node.model, node.agent_version, node.status, node.attempt, node.error, _uuid(node.branch),
    )  # fmt: skip


async def delete_chat(connection: Connection, tenant: str, dialog_id: UUID) -> bool:
    """Delete a test chat with its messages; returns whether it was there."""
    done = await connection.execute(
        "DELETE FROM test_chats WHERE tenant_id = $1 AND dialog_id = $2", tenant, dialog_id
    )
    return bool(done.endswith("1"))
