"""Publish a dialog's transcript because its owner chose it; selecting never ends a dialog."""

from __future__ import annotations

from chassis import audit
from chassis.database import Transaction
from dialog_svc.domain.dialog import Completion, leaf_of, path_to, settled_end
from dialog_svc.domain.errors import no_answer, no_branch, no_dialog
from dialog_svc.outbound import dialog_store as store
from dialog_svc.outbound.transcripts import TranscriptStore
from dialog_svc.usecases.publish_dialog import nodes_of, publish_dialogs


async def select_dialog(
    transaction: Transaction,
    transcripts: TranscriptStore,
    *,
    tenant: str,
    subject: str,
    dialog_id: str,
    branch: str | None,
) -> int:
    """Publish a branch up to its last answer without open function calls; returns the revision.

    `branch` is the active one when null, the first one when empty. The revision is a new one only when
    this transcript was not published before. Raises a 404 Problem for an unknown dialog or branch, a
    409 when nothing was answered yet.
    """
    dialog = await store.lock_dialog(transaction.connection, tenant, dialog_id)
    if dialog is None:
        raise no_dialog()
    rows = (await store.all_messages(transaction.connection, [(tenant, dialog_id)])).get(
        (tenant, dialog_id), []
    )
    nodes = nodes_of(rows)
    leaf = dialog.leaf if branch is None else leaf_of(branch or None, nodes)
    if leaf is None:
        raise no_branch() if branch is not None else no_answer()
    by_id = {row["message_id"]: row for row in rows}
    path = path_to(leaf, nodes)
    end = settled_end(
        [(node.id, node.role, bool(by_id[node.id]["message"].get("tool_calls"))) for node in path]
    )
    if not end:
        raise no_answer()
    leaf = path[end - 1].id
    dialog.happened.append(
        Completion(leaf, "selected", dialog.outcome, dialog.last_at, open=dialog.ended_at is None)
    )
    published = await publish_dialogs(transaction, transcripts, [dialog])
    revision = published[tenant, dialog_id, leaf]
    await store.update_dialogs(transaction.connection, [dialog])
    await audit.record(
        transaction.connection,
        tenant=tenant,
        subject=subject,
        action="dialog.selected",
        object_id=dialog_id,
        revision=revision,
    )
    return revision
