"""What the demo prints: in colour with moving bars on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from deploy.demo.dialogs import Question

SIDE_BY_SIDE = 72
"""Narrower terminals get one answer under the other."""
MARKS = 4
"""Lines that a bar leaves where nothing can move."""
GOOD = {"ready", "effective"}


class Bar:
    """How far a wait is."""

    def __init__(self, console: Console, label: str, total: int, moving: Progress | None) -> None:
        self._console, self._label, self._total, self._moving = console, label, total, moving
        self._task = moving.add_task(label, total=total) if moving else None
        self._done = self._marks = 0

    def step(self) -> None:
        """One more."""
        self.to(self._done + 1, self._total)

    def to(self, done: int, total: int) -> None:
        """So many of so many."""
        self._done, self._total = done, total
        if self._moving and self._task is not None:
            self._moving.update(self._task, completed=done, total=total)
        elif done * MARKS // max(total, 1) > self._marks:
            self._marks = done * MARKS // total
            self._console.print(f"  {self._label} {done}/{total}")


class Show:
    """The demo's voice; `width` for tests."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._plain = not self._console.is_terminal
        self._number = 0

    def line(self, text: str = "", style: str = "", *, whole: bool = False) -> None:
        """One line as it is; `whole`: never broken, so that it can be copied."""
        self._console.print(escape(text), style=style or None, soft_wrap=self._plain or whole)

    def step(self, title: str) -> None:
        """The heading of the next step."""
        self._number += 1
        self.line()
        self.line(f"{self._number}. {title}", "bold cyan")

    def call(self, method: str, service: str, path: str, status: int) -> None:
        """An HTTP call and its answer."""
        self._pair(f"{method} {path}", f"{service} → {status}", "green" if status < 400 else "red")  # noqa: PLR2004

    def event(self, kind: str, about: str) -> None:
        """An event that was published or heard."""
        self._pair(kind, about, "magenta")

    def status(self, status: str, about: str) -> None:
        """The status of a run as it comes."""
        self._pair(f"training.status.v1  {status}", about, "bold green" if status in GOOD else "yellow")

    def _pair(self, left: str, right: str, style: str) -> None:
        text = f"  [{style}]{escape(left)}[/]  [dim]{escape(right)}[/]"
        self._console.print(text, soft_wrap=self._plain)

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Bar]:
        """A bar while one waits."""
        if self._plain:
            yield Bar(self._console, label, total, None)
            return
        columns = (TextColumn("  {task.description}"), BarColumn(None), MofNCompleteColumn())
        with Progress(*columns, console=self._console, expand=self._console.width < SIDE_BY_SIDE) as moving:
            yield Bar(self._console, label, total, moving)

    def answers(self, question: Question, before: tuple[str, str], after: tuple[str, str]) -> None:
        """The question with both answers; each is its text and the model that gave it."""
        self.line()
        self.line(f"  Question: {question.text}", "bold")
        if self._plain or self._console.width < SIDE_BY_SIDE:
            for name, (text, model) in (("before", before), ("after", after)):
                self.line(f"  {name} ({model}):", "bold")
                self.line(f"    {text}")
            return
        table = Table(expand=True, show_lines=True)
        table.add_column(f"before: {before[1]}", ratio=1)
        table.add_column(f"after: {after[1]}", ratio=1, style="green", overflow="fold")
        table.add_row(escape(before[0]), escape(after[0]))
        self._console.print(table)
