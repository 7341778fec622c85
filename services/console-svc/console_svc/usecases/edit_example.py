"""The editor: a working copy read with all that stands in its margin, changed step by step, saved.

Whoever changes it says which revision they saw. What somebody else changed meanwhile stands in nobody's way
as long as it is about other messages; about the same one it is a choice, and nothing is done before that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from console_svc.domain.copy import PERSONAL
from console_svc.domain.session import Session
from console_svc.outbound.backends import Backends, Refusal

TRIES = 4
MOST_TOLD = 20
"""Changes that dataset-svc names; where there may be more, any message may be among them."""
CHANGED = "example_changed"
LABELS, WHOLE = "\0labels", "\0whole"
"""What changes may be about besides a message: note and tags, or all of it."""
Operation = dict[str, Any]


class Do(Protocol):
    """A call with the revision that it is made on."""

    async def __call__(self, revision: int) -> Any:
        """Do it; raises Refusal."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a change answered, and what others had changed before it, about other messages."""

    answer: Any = None
    others: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Editing:
    """Reads and changes working copies over dataset-svc's public HTTP."""

    backends: Backends

    async def read(self, session: Session, language: str, example_id: UUID) -> dict[str, Any]:
        """Return the copy with its original, what was found in the whole dataset, and personal data.

        `{"state": "pending"}` while its text is on its way. Raises Refusal.
        """
        query = {"original": "true"}
        found: dict[str, Any] = await self._call(
            session, language, "GET", f"/v1/examples/{example_id}", params=query
        )
        if found["state"] == "pending":
            return found
        stored, personal = await asyncio.gather(
            self._stored(session, language, found), self._personal(session, language, found)
        )
        return found | {"stored": stored, "personal": personal}

    async def glance(self, session: Session, language: str, example_id: UUID) -> dict[str, Any]:
        """Return the copy alone; raises Refusal."""
        found: dict[str, Any] = await self._call(session, language, "GET", f"/v1/examples/{example_id}")
        return found

    async def change(
        self, session: Session, language: str, example_id: UUID, version: int,
        operations: Sequence[Operation], touched: str,
    ) -> Done:  # fmt: skip
        """Apply operations to the copy that was seen; `touched`: the message that they are about."""

        async def do(revision: int) -> Any:
            return await self._call(
                session, language, "PATCH", f"/v1/examples/{example_id}",
                json={"operations": list(operations)}, headers={"If-Match": f'"{revision}"'},
            )  # fmt: skip

        return await _meeting(version, touched, do)

    async def post(
        self, session: Session, language: str, example_id: UUID, version: int, step: str, body: Any = None
    ) -> Any:
        """Do what concerns the whole copy that was seen: save, undo, discard, …"""
        more = {"json": body} if body is not None else {}
        return await self._call(
            session, language, "POST", f"/v1/examples/{example_id}/{step}",
            headers={"If-Match": f'"{version}"'}, **more,
        )  # fmt: skip

    async def remove(self, session: Session, language: str, example_id: UUID, version: int) -> str:
        """Take the example out of the dataset; returns the operation that undoes it."""
        answer = await self.backends.send(
            session, language, "datasets", "DELETE", f"/v1/examples/{example_id}",
            headers={"If-Match": f'"{version}"'},
        )  # fmt: skip
        href = answer.links.get("undo", {}).get("url", "")
        return href.removeprefix("/v1/operations/").removesuffix("/undo")

    async def undo_call(self, session: Session, language: str, operation_id: UUID) -> None:
        """Take back what one call did: a save, a removal, pseudonyms."""
        await self._call(session, language, "POST", f"/v1/operations/{operation_id}/undo")

    async def dismiss(self, session: Session, language: str, example_id: UUID, code: str, why: str) -> None:
        """Accept a warning as it is; with no reason, let it count again."""
        path = f"/v1/examples/{example_id}/dismissals"
        if why:
            await self._call(session, language, "POST", path, json={"code": code, "why": why})
        else:
            await self._call(session, language, "DELETE", f"{path}/{code}")

    async def allow(self, session: Session, language: str, dataset_id: str, value: dict[str, str]) -> None:
        """Let a value be no personal data in the whole dataset."""
        path = f"/v1/datasets/{UUID(dataset_id)}/allowed-values"
        await self._call(session, language, "POST", path, json=value)

    async def revisions(self, session: Session, language: str, example_id: UUID) -> Any:
        """Return what was saved so far, newest first."""
        return await self._call(session, language, "GET", f"/v1/examples/{example_id}/revisions")

    async def _stored(self, session: Session, language: str, example: dict[str, Any]) -> list[Any]:
        """Return the findings of what counts, with what was accepted; what cannot be told is left out."""
        path = f"/v1/datasets/{UUID(example['dataset_id'])}/checks"
        query = {"example_id": example["id"], "limit": 1}
        try:
            found = await self._call(session, language, "GET", path, params=query)
        except Refusal:
            return []
        return [finding for item in found["items"] for finding in item["findings"]]

    async def _personal(self, session: Session, language: str, example: dict[str, Any]) -> list[Any]:
        """Return the values that are personal data, each with its pseudonym and places."""
        if all(one["code"] != PERSONAL for one in example["findings"]):
            return []
        path = f"/v1/examples/{UUID(example['id'])}/personal-data"
        try:
            found = await self._call(session, language, "GET", path)
        except Refusal:
            return []
        return list(found["values"])

    async def _call(self, session: Session, language: str, method: str, path: str, **more: Any) -> Any:
        return await self.backends.call(session, language, "datasets", method, path, **more)


async def _meeting(version: int, touched: str, do: Do) -> Done:
    """Do it on the newest revision as long as others changed other messages; else raises their Refusal."""
    others: list[dict[str, Any]] = []
    for _ in range(TRIES):
        try:
            return Done(await do(version), tuple(others))
        except Refusal as refusal:
            if refusal.code != CHANGED or not stands_apart(refusal.more.get("changes", []), touched):
                raise
            others += refusal.more["changes"]
            version = int(refusal.etag.strip('"'))
    return Done(await do(version), tuple(others))


def stands_apart(changes: Sequence[dict[str, Any]], touched: str) -> bool:
    """Tell whether none of these changes is about this message; one of the whole copy is about all."""
    things = {_thing(one) for change in changes for one in change["changes"]}
    told = 0 < len(changes) < MOST_TOLD and all(change["changes"] for change in changes)
    return told and not things & {WHOLE, touched}


def _thing(change: dict[str, Any]) -> str:
    if change["op"] in {"note", "tags"}:
        return LABELS
    return change["message_id"] or WHOLE
