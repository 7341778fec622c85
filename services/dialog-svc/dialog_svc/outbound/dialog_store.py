"""SQL that changes dialogs: one statement a kind for a whole batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import orjson
from asyncpg import Record, UniqueViolationError

from chassis import tombstones
from chassis.database import Connection
from chassis.errors import Transient
from chassis.tombstones import Tombstone
from dialog_svc.domain.dialog import Dialog, Node, Rating

Row = Record
Slot = tuple[str, str]  # tenant, dialog
Leaf = tuple[str, str, str]  # tenant, dialog, message
Revision = tuple[str, str, str, int, str]  # tenant, dialog, leaf, revision, reason


class KnownMessageError(Transient):
    """A message of the batch is stored already."""


async def lock_dialogs(
    connection: Connection, wanted: Iterable[Slot], make: Callable[[Slot], Dialog]
) -> dict[Slot, Dialog]:
    """Create the dialogs that are new as `make` says, lock all in sorted order, and return their state.

    Dialogs that were erased are left out, and it is noted that something of them came. Of one without a
    message, which a rating or an end made, it was not known whose it is: that is asked now.
    """
    slots = sorted(wanted)
    found = await lock_known(connection, slots)
    began = {slot: make(slot) for slot in slots if slot not in found or found[slot].leaf is None}
    if began:
        await _insert_new(connection, [dialog for slot, dialog in began.items() if slot not in found])
        # only now, behind whoever erased one while we waited for its row
        found, any_erased = await _lock_and_ask(connection, slots)
        for slot in await _erased(connection, began) if any_erased else ():
            await _delete_new(connection, [slot])
            found.pop(slot, None)
    return found


async def make_and_lock(
    connection: Connection, slots: Sequence[Slot], make: Callable[[Slot], Dialog]
) -> dict[Slot, Dialog]:
    """Create the dialogs that are not there, also erased ones, lock all and return their state."""
    await _insert_new(connection, [make(slot) for slot in slots])
    return await lock_known(connection, slots)


async def _erased(connection: Connection, new: Mapping[Slot, Dialog]) -> list[Slot]:
    """Return which of the dialogs were erased, or began before their client was; notes that they came."""
    stones = await tombstones.find(connection, "dialog", new)
    clients = {
        slot: (dialog.tenant, dialog.client)
        for slot, dialog in new.items()
        if dialog.client is not None and slot not in stones
    }
    gone = await tombstones.find(connection, "client", clients.values()) if clients else {}
    late = {
        slot: client
        for slot, client in clients.items()
        if client in gone and new[slot].started_at <= gone[client]["requested_at"]
    }
    if late:
        # what follows does not say whose it is; by the client's request it is told when it came
        await tombstones.put(
            connection,
            [
                Tombstone(slot[0], "dialog", slot[1], new[slot].started_at, gone[client]["erasure_id"])
                for slot, client in late.items()
            ],
        )
        await tombstones.note_heard(connection, "client", late.values())
    if stones:
        await tombstones.note_heard(connection, "dialog", stones)
    return [*stones, *late]


async def _delete_new(connection: Connection, slots: Sequence[Slot]) -> None:
    await connection.execute(
        """
        WITH gone AS (
            SELECT * FROM unnest($1::text[], $2::text[]) AS u (tenant_id, dialog_id)
        ), rated AS (
            DELETE FROM ratings r USING gone g WHERE r.tenant_id = g.tenant_id AND r.dialog_id = g.dialog_id
        )
        DELETE FROM dialogs d USING gone g WHERE d.tenant_id = g.tenant_id AND d.dialog_id = g.dialog_id
        """,
        [slot[0] for slot in slots],
        [slot[1] for slot in slots],
    )


async def lock_known(connection: Connection, slots: Sequence[Slot]) -> dict[Slot, Dialog]:
    """Lock those of the dialogs that there are, in sorted order, and return their state."""
    return (await _lock_and_ask(connection, slots))[0]


async def _lock_and_ask(connection: Connection, slots: Sequence[Slot]) -> tuple[dict[Slot, Dialog], bool]:
    """Do the same, and tell whether anything of these tenants was ever erased: nearly always nothing."""
    # a locking read leaves no dead row behind, as an upsert that changes nothing would; the columns
    # are in the order of Dialog's fields, so that a row is a dialog
    rows = await connection.fetch(
        """
        SELECT d.tenant_id, d.dialog_id, d.agent_id, d.source, d.started_at, d.last_at, d.ended_at,
               d.outcome, d.rating, d.message_count, d.next_position, d.leaf_id, d.branch, d.revision,
               d.channel, d.client, d.shelf, d.partition, d.heard_at,
               (SELECT EXISTS (SELECT FROM tombstones WHERE tenant_id = ANY($1)))
        FROM unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
        JOIN dialogs d USING (tenant_id, dialog_id)
        ORDER BY d.tenant_id, d.dialog_id FOR UPDATE OF d
        """,
        [slot[0] for slot in slots],
        [slot[1] for slot in slots],
    )
    found = {(dialog.tenant, dialog.id): dialog for dialog in (Dialog(*row[:-1]) for row in rows)}
    return found, bool(rows and rows[0][-1])


async def _insert_new(connection: Connection, dialogs: Sequence[Dialog]) -> None:
    await connection.execute(
        """
        INSERT INTO dialogs (tenant_id, dialog_id, agent_id, source, channel, client, started_at, last_at,
                             revision, shelf)
        SELECT u.tenant_id, u.dialog_id, u.agent_id, u.source, u.channel, u.client, u.at, u.at,
               coalesce(r.revision, 0),
               (SELECT max(s.shelf) FROM shelves s WHERE s.kept = u.keep_days AND s.month <= now())
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
                    $7::timestamptz[], $8::int[])
            AS u (tenant_id, dialog_id, agent_id, source, channel, client, at, keep_days)
        LEFT JOIN retired r USING (tenant_id, dialog_id)
        ON CONFLICT DO NOTHING
        """,
        [row.tenant for row in dialogs],
        [row.id for row in dialogs],
        [row.agent_id for row in dialogs],
        [row.source for row in dialogs],
        [row.channel for row in dialogs],
        [row.client for row in dialogs],
        [row.started_at for row in dialogs],
        [row.keep_days for row in dialogs],
    )


async def put_facts(connection: Connection, dialogs: Sequence[Dialog]) -> None:
    """Write what the first message told of dialogs that were there before it, and choose their shelf.

    They have no text yet: it will lie on this month's shelf of their `keep_days`.
    """
    if not dialogs:
        return
    rows = await connection.fetch(
        """
        UPDATE dialogs d SET agent_id = u.agent_id, source = u.source, channel = u.channel, client = u.client,
            shelf = (SELECT max(s.shelf) FROM shelves s WHERE s.kept = u.keep_days AND s.month <= now())
        FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[])
            AS u (tenant_id, dialog_id, keep_days, agent_id, source, channel, client)
        WHERE d.tenant_id = u.tenant_id AND d.dialog_id = u.dialog_id
        RETURNING d.tenant_id, d.dialog_id, d.shelf
        """,
        [dialog.tenant for dialog in dialogs],
        [dialog.id for dialog in dialogs],
        [dialog.keep_days for dialog in dialogs],
        *map(list, zip(*(dialog.facts for dialog in dialogs), strict=True)),
    )
    shelves = {(row["tenant_id"], row["dialog_id"]): row["shelf"] for row in rows}
    for dialog in dialogs:
        dialog.shelf = shelves[dialog.tenant, dialog.id]


async def lock_dialog(connection: Connection, tenant: str, dialog_id: str) -> Dialog | None:
    """Lock one dialog and return it, or None."""
    return (await lock_known(connection, [(tenant, dialog_id)])).get((tenant, dialog_id))


async def known_messages(
    connection: Connection, ids: Iterable[tuple[str, str, str]]
) -> dict[Slot, dict[str, Node]]:
    """Return the places of those (tenant, dialog, message) that are stored already."""
    wanted = list(ids)
    if not wanted:
        return {}
    rows = await connection.fetch(
        """
        SELECT m.tenant_id, m.dialog_id, m.message_id, m.parent_id, m.branch, m.position, m.role
        FROM unnest($1::text[], $2::text[], $3::text[]) AS w (tenant_id, dialog_id, message_id)
        JOIN dialogs d USING (tenant_id, dialog_id)
        JOIN messages m USING (tenant_id, dialog_id, message_id, shelf)
        """,
        [item[0] for item in wanted],
        [item[1] for item in wanted],
        [item[2] for item in wanted],
    )
    known: dict[Slot, dict[str, Node]] = {}
    for row in rows:
        node = Node(row["message_id"], row["parent_id"], row["branch"], row["position"], row["role"])
        known.setdefault((row["tenant_id"], row["dialog_id"]), {})[node.id] = node
    return known


async def insert_messages(connection: Connection, dialogs: Sequence[Dialog]) -> None:
    """Store the messages that the batch added; raises KnownMessageError when one is there already."""
    rows = [
        {
            "tenant_id": dialog.tenant,
            "dialog_id": dialog.id,
            "message_id": node.id,
            "position": node.position,
            "parent_id": node.parent,
            "branch": node.branch,
            "role": node.role,
            "agent_version": post.agent_version,
            "message": orjson.Fragment(post.body),
            "shelf": dialog.shelf,
        }
        for dialog in dialogs
        for node, post in dialog.added
    ]
    if not rows:
        return
    try:
        # one document is half the work of nine arrays: asyncpg looks at each element of an array
        await connection.execute(
            """
            INSERT INTO messages (tenant_id, dialog_id, message_id, position, parent_id, branch, role,
                                  agent_version, message, shelf)
            SELECT * FROM json_to_recordset($1::json) AS u (
                tenant_id text, dialog_id text, message_id text, position int, parent_id text, branch text,
                role text, agent_version bigint, message jsonb, shelf int)
            """,
            orjson.dumps(rows).decode(),
        )
    except UniqueViolationError:
        raise KnownMessageError("a message is stored already") from None


async def update_dialogs(connection: Connection, dialogs: Sequence[Dialog]) -> None:
    """Write back what the batch changed in the dialogs."""
    rows = [
        {
            "tenant_id": dialog.tenant,
            "dialog_id": dialog.id,
            "started_at": dialog.started_at,
            "last_at": dialog.last_at,
            "ended_at": dialog.ended_at,
            "outcome": dialog.outcome,
            "rating": dialog.rating,
            "message_count": dialog.message_count,
            "next_position": dialog.next_position,
            "leaf_id": dialog.leaf,
            "branch": dialog.branch,
            "revision": dialog.revision,
            "partition": dialog.partition,
            "heard_at": dialog.heard_at,
        }
        for dialog in dialogs
    ]
    await connection.execute(
        """
        UPDATE dialogs d SET started_at = u.started_at, last_at = u.last_at, ended_at = u.ended_at,
            outcome = u.outcome, rating = u.rating, message_count = u.message_count,
            next_position = u.next_position, leaf_id = u.leaf_id, branch = u.branch, revision = u.revision,
            partition = u.partition, heard_at = least(u.heard_at, clock_timestamp()),
            unlisted_since = coalesce(d.unlisted_since, clock_timestamp())
        FROM json_to_recordset($1::json) AS u (
            tenant_id text, dialog_id text, started_at timestamptz, last_at timestamptz, ended_at timestamptz,
            outcome text, rating text, message_count int, next_position int, leaf_id text, branch text,
            revision int, partition int, heard_at timestamptz)
        WHERE d.tenant_id = u.tenant_id AND d.dialog_id = u.dialog_id
        """,
        orjson.dumps(rows).decode(),
    )


async def all_messages(connection: Connection, slots: Sequence[Slot]) -> dict[Slot, list[Record]]:
    """Return every message of the dialogs, with all branches, in order of position."""
    rows = await connection.fetch(
        """
        SELECT m.tenant_id, m.dialog_id, m.message_id, m.parent_id, m.branch, m.position, m.role,
               m.agent_version, m.message
        FROM unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
        JOIN dialogs d USING (tenant_id, dialog_id)
        JOIN messages m USING (tenant_id, dialog_id, shelf)
        ORDER BY m.tenant_id, m.dialog_id, m.position
        """,
        [slot[0] for slot in slots],
        [slot[1] for slot in slots],
    )
    found: dict[Slot, list[Record]] = {}
    for row in rows:
        found.setdefault((row["tenant_id"], row["dialog_id"]), []).append(row)
    return found


async def published_revisions(connection: Connection, slots: Sequence[Slot]) -> dict[Leaf, int]:
    """Return the revision of each leaf that was published before."""
    rows = await connection.fetch(
        """
        SELECT r.tenant_id, r.dialog_id, r.leaf_id, r.revision
        FROM unnest($1::text[], $2::text[]) AS w (tenant_id, dialog_id)
        JOIN revisions r USING (tenant_id, dialog_id)
        """,
        [slot[0] for slot in slots],
        [slot[1] for slot in slots],
    )
    return {(row["tenant_id"], row["dialog_id"], row["leaf_id"]): row["revision"] for row in rows}


async def insert_revisions(connection: Connection, revisions: Sequence[Revision]) -> None:
    """Record that the transcripts ending in these leaves are published under these revisions."""
    if not revisions:
        return
    await connection.execute(
        """
        INSERT INTO revisions (tenant_id, dialog_id, leaf_id, revision, reason)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[], $5::text[])
        """,
        *map(list, zip(*revisions, strict=True)),
    )


async def upsert_ratings(connection: Connection, dialogs: Sequence[Dialog]) -> None:
    """Keep the newest rating of each rater."""
    newest = {
        (dialog.tenant, dialog.id, what.message_id or "", what.rater): (what.rating, what.comment)
        for dialog in dialogs
        for what in dialog.happened
        if isinstance(what, Rating)
    }
    if not newest:
        return
    await connection.execute(
        """
        INSERT INTO ratings (tenant_id, dialog_id, rated, rater, rating, comment)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
        ON CONFLICT (tenant_id, dialog_id, rated, rater)
        DO UPDATE SET rating = excluded.rating, comment = excluded.comment, at = clock_timestamp()
        """,
        *map(list, zip(*((*key, *value) for key, value in newest.items()), strict=True)),
    )


async def mark_unlisted(connection: Connection, slots: Sequence[Slot]) -> None:
    """Let the indexer look at the dialogs again; they stay locked, in sorted order."""
    await connection.execute(
        """
        WITH held AS (
            SELECT d.tenant_id, d.dialog_id
            FROM unnest($1::text[], $2::text[]) AS u (tenant_id, dialog_id)
            JOIN dialogs d USING (tenant_id, dialog_id)
            ORDER BY d.tenant_id, d.dialog_id FOR UPDATE OF d
        )
        UPDATE dialogs d SET unlisted_since = coalesce(d.unlisted_since, clock_timestamp()) FROM held h
        WHERE d.tenant_id = h.tenant_id AND d.dialog_id = h.dialog_id
        """,
        [slot[0] for slot in slots],
        [slot[1] for slot in slots],
    )


async def get_dialog(connection: Connection, tenant: str, dialog_id: str) -> Record | None:
    """Return a dialog's row, or None."""
    return await connection.fetchrow(
        "SELECT * FROM dialogs WHERE tenant_id = $1 AND dialog_id = $2", tenant, dialog_id
    )
