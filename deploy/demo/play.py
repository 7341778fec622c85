"""The whole loop, step by step: dialogs in, a dataset, a trained model in service."""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from contracts.agents import AgentRouted
from contracts.dialogs import DialogCompleted
from contracts.training import TrainingStatus
from deploy.demo.backend import ChatBackend
from deploy.demo.dialogs import Dialog, agents
from deploy.demo.owner import BASE_MODEL, Owner
from deploy.demo.script import Result, Script
from deploy.demo.show import Bar, Show

IN_DETAIL = 2
"""How many agents, dialogs and examples are shown call by call."""
PATIENCE_S = 60.0
FINAL = ("ready", "failed", "cancelled")


class FailedError(Exception):
    """The loop did not do what it promises."""


class Play:
    """One performance; `result` fills as it goes."""

    def __init__(
        self, script: Script, owner: Owner, backend: ChatBackend, show: Show, result: Result
    ) -> None:
        self._script, self._owner, self._backend, self._show = script, owner, backend, show
        self._revisions: dict[str, int] = {}
        self._before = self._after = ("", "")
        self._dataset = ""
        self.result = result

    async def all(self) -> None:
        """Every step in order; raises FailedError when the loop did not keep its promise."""
        await self._make_agents()
        await self._publish()
        await self._hear_completed()
        await self._curate()
        await self._train()
        await self._follow()
        await self._activate()
        await self._ask_again()

    @contextmanager
    def _step(self, name: str, title: str) -> Iterator[None]:
        self._show.step(title)
        self._owner.quiet = False
        began = time.monotonic()
        try:
            yield
        finally:
            self.result.seconds[name] = round(time.monotonic() - began, 2)

    async def _make_agents(self) -> None:
        found = agents(self._script.dialogs)
        agent = self._script.agent
        with self._step("agents", f"The owner makes {len(found)} agents and asks {agent!r} a question"):
            key = f"sk-demo-{secrets.token_hex(12)}"
            for number, like in enumerate(sorted(found.values(), key=lambda one: one.agent_id != agent)):
                self._hush(number, len(found))
                await self._owner.put_agent(like, key)
            self._owner.quiet = False
            self._before = await self._owner.ask(agent, self._script.question.text)
            self.result.answer_before = self._before[0]
            self._show.line(f"  “{self._script.question.text}”", "bold")
            self._show.line(f"  {self._before[0]}", "yellow")

    def _hush(self, number: int, count: int) -> None:
        """The first ones call by call, the others in one line."""
        if number == IN_DETAIL and count > IN_DETAIL:
            self._show.line(f"  … and {count - IN_DETAIL} more")
        self._owner.quiet = number >= IN_DETAIL

    async def _publish(self) -> None:
        dialogs = self._script.dialogs
        with self._step("publish", f"The chat backend publishes {len(dialogs)} dialogs to chat.events"):
            for one in dialogs[:IN_DETAIL]:
                self._show.event("chat.message_posted.v1", f"{one.dialog_id}: {len(one.messages)} messages")
                if one.rating:
                    self._show.event("chat.dialog_rated.v1", f"{one.dialog_id}: {one.rating}")
                self._show.event("chat.dialog_ended.v1", f"{one.dialog_id}: {one.outcome}")
            with self._show.bar("dialogs published", len(dialogs)) as bar:
                await self._backend.publish(dialogs, bar.step)

    async def _hear_completed(self) -> None:
        sent = {one.dialog_id: len(one.messages) for one in self._script.dialogs}
        heard: dict[str, int] = {}
        with (
            self._step("completed", "dialog-svc completes them: dialog.completed"),
            self._show.bar("dialogs completed", len(sent)) as bar,
        ):
            async for received in self._backend.heard(PATIENCE_S, "dialog.completed"):
                event = received.event
                if not isinstance(event, DialogCompleted) or event.dialog_id not in sent:
                    continue
                if len(heard) < IN_DETAIL and event.dialog_id not in heard:
                    about = f"{event.dialog_id}: revision {event.revision}, {event.message_count} messages"
                    self._show.event(event.TYPE, about)
                heard[event.dialog_id] = event.message_count
                self._revisions[event.dialog_id] = event.revision
                bar.to(len(heard), len(sent))
                if len(heard) == len(sent):
                    break
        self.result.dialogs, self.result.messages = len(heard), sum(heard.values())
        if heard != sent:
            raise FailedError(f"{sum(sent.values()) - sum(heard.values())} messages were lost")

    async def _curate(self) -> None:
        picked = self._script.picked
        wrong = sum(bool(dialog.corrections) for dialog in picked)
        title = f"The owner puts {len(picked)} dialogs into the datasets, {wrong} of them corrected"
        with self._step("examples", title), self._show.bar("examples saved", len(picked)) as bar:
            for number, dialog in enumerate(picked):
                self._hush(number, len(picked))
                await self._owner.make_example(dialog, self._revisions[dialog.dialog_id])
                if number < IN_DETAIL and dialog.corrections:
                    self._show_correction(dialog)
                self.result.examples += 1
                bar.step()

    def _show_correction(self, dialog: Dialog) -> None:
        place = dialog.corrections[0].message
        self._show.line(f"    was: {dialog.messages[place]['content']}", "red")
        self._show.line(f"    now: {dialog.taught(place)}", "green")

    async def _train(self) -> None:
        with self._step("freeze", "The owner freezes a version of the dataset and starts training"):
            self._dataset = await self._owner.dataset_of(self._script.agent)
            self.result.dataset_version = await self._owner.freeze(self._dataset)
            self.result.run_id = await self._owner.train(self._dataset, self.result.dataset_version)
            self._show.line(f"  version {self.result.dataset_version}, run {self.result.run_id}")

    async def _follow(self) -> None:
        title = f"training-svc trains {BASE_MODEL} at the provider"
        with self._step("training", title), self._show.bar("training steps", 1) as bar:
            async for received in self._backend.heard(PATIENCE_S, "training.status"):
                event = received.event
                if isinstance(event, TrainingStatus) and event.run_id == self.result.run_id:
                    self._note(event, bar)
                    if event.status in FINAL:
                        break
        if self.result.status != "ready":
            raise FailedError(f"the run is {self.result.status}, not ready")

    def _note(self, event: TrainingStatus, bar: Bar) -> None:
        if event.status != self.result.status:
            about = f"{event.step}, {event.provider_job_id or 'no job yet'}"
            self._show.status(event.status, event.model or about)
        self.result.status, self.result.model = event.status, event.model
        if event.error:
            self._show.line(f"  {event.error.code}: {event.error.message}", "red")
        if event.progress and event.progress.total_steps:
            bar.to(event.progress.step, event.progress.total_steps)

    async def _activate(self) -> None:
        with self._step("activate", "The owner presses ▶; agent-svc routes the agent to the model"):
            await self._owner.activate(self._script.agent, self.result.run_id or "")
            async for received in self._backend.heard(PATIENCE_S, "agent.routed"):
                event = received.event
                if isinstance(event, AgentRouted) and event.agent_id == self._script.agent:
                    models = [target.model for target in event.effective.targets] if event.effective else []
                    about = f"{event.reason}, version {event.route_version}: {', '.join(models)}"
                    self._show.event(event.TYPE, about)
                    if event.reason != "activated":
                        raise FailedError(f"the route was not activated but {event.reason}")
                    break
            self.result.came_of = await self._owner.came_of(self.result.model or "")
            self._show.line(f"  it came of {self.result.came_of} examples")

    async def _ask_again(self) -> None:
        question = self._script.question
        with self._step("ask", "The same question again"):
            self._after = await self._owner.ask(self._script.agent, question.text)
            self.result.answer_after = self._after[0]
            self._show.answers(question, self._before, self._after)
        if self._after[0] != question.taught or self._after[0] == self._before[0]:
            raise FailedError("the trained model does not answer as it was taught")
