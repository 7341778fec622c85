"""The graduate's cap: a dialog becomes an example of its agent's dataset, is saved, and taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from console_svc.domain.session import Session
from console_svc.outbound.backends import Backends, Refusal


@dataclass(frozen=True, slots=True)
class Dialog:
    """Which dialog, and which of its branches; None is the one that is active."""

    dialog_id: str
    agent_id: str
    branch: str | None = None


@dataclass(frozen=True, slots=True)
class Capped:
    """What became of a dialog in the dataset: nothing yet, on its way, or this example."""

    example: dict[str, Any] | None = None
    pending: str = ""
    """The id that was promised, while the dialog's text is on its way to the dataset."""
    undo: str = ""
    """The operation that may be undone."""


@dataclass(frozen=True, slots=True)
class Curation:
    """Puts dialogs into datasets, over dialog-svc's and dataset-svc's public HTTP."""

    backends: Backends

    async def of_dialog(self, session: Session, language: str, dialog: Dialog) -> Capped:
        """Return the example that a dialog has, the one of its branch first; raises Refusal."""
        dataset = await self._dataset(session, language, dialog.agent_id)
        if dataset is None:
            return Capped()
        query = {"dialog_id": dialog.dialog_id, "limit": 20}
        found = await self._call(session, language, "GET", f"/v1/datasets/{dataset}/examples", params=query)
        mine = [one for one in found["items"] if (one["branch"] or "") == (dialog.branch or "")]
        return Capped(next(iter([*mine, *found["items"]]), None))

    async def take(self, session: Session, language: str, dialog: Dialog, path: str) -> Capped:
        """Open a copy of a dialog in its dataset; `path` is dialog-svc's of the dialog. Raises Refusal."""
        body = {} if dialog.branch is None else {"branch": dialog.branch}
        selected = await self.backends.call(session, language, "dialogs", "POST", f"{path}/select", json=body)
        dataset = await self._dataset(session, language, dialog.agent_id)
        if dataset is None:
            raise Refusal(409, "no_dataset", "")
        opened = await self._call(
            session, language, "POST", f"/v1/datasets/{dataset}/examples",
            json={"dialog_id": dialog.dialog_id, "revision": selected["revision"]},
        )  # fmt: skip
        return await self.arrived(session, language, UUID(opened["id"]))

    async def arrived(self, session: Session, language: str, example_id: UUID) -> Capped:
        """Return the example that was promised, if its text is there by now; raises Refusal."""
        found = await self._call(session, language, "GET", f"/v1/examples/{example_id}")
        return Capped(pending=str(example_id)) if found.get("state") == "pending" else _of(found)

    async def save(self, session: Session, language: str, example_id: UUID) -> Capped:
        """Put the copy into the dataset as it is; raises Refusal."""
        saved = await self._call(session, language, "POST", f"/v1/examples/{example_id}/save")
        return _of(saved)

    async def undo(self, session: Session, language: str, example_id: UUID, operation_id: UUID) -> Capped:
        """Take the last save back; raises Refusal."""
        await self._call(session, language, "POST", f"/v1/operations/{operation_id}/undo")
        return await self.arrived(session, language, example_id)

    async def _dataset(self, session: Session, language: str, agent_id: str) -> str | None:
        query = {"agent_id": agent_id, "limit": 1}
        found = await self._call(session, language, "GET", "/v1/datasets", params=query)
        return str(UUID(found["items"][0]["id"])) if found["items"] else None

    async def _call(self, session: Session, language: str, method: str, path: str, **more: Any) -> Any:
        return await self.backends.call(session, language, "datasets", method, path, **more)


def _of(example: dict[str, Any]) -> Capped:
    """Return an example as a list would show it, without its messages."""
    undo = (example.get("undo") or {}).get("operation_id") or ""
    shown = {name: value for name, value in example.items() if name not in {"messages", "findings", "undo"}}
    return Capped(shown, undo=undo)
