"""Live progress on stderr: a table of tasks that draws itself anew in a terminal, one line per task elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from accord.cli.lines import Lines
from accord.cli.output import STATES, Screen, attempt_words, clean, counted, run_text, shortened, took, worked
from accord.cli.watching import Watched, unmet
from accord.domain.approval import waiting_tasks
from accord.domain.duration import duration_words
from accord.domain.forecast import Forecast, Usual, forecast
from accord.domain.ids import TaskId
from accord.domain.machine import SETTLED
from accord.domain.news import News
from accord.domain.standing import open_items
from accord.domain.state import Run, TaskState
from accord.views.waiting import is_idle

REDRAW_EVERY_S: Final = 0.1
SPINNER: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
DETAIL_MOST: Final = 48
"""Columns for what is said of a task; more would only tear the line apart."""

WIDE: Final = 100
"""Columns from which there is room for a bar beside the words."""


class View(AbstractAsyncContextManager["View"], Protocol):
    """Shows a run while it goes on."""

    def show(self, news: News) -> None:
        """Take news in."""
        ...
        return


def view(screen: Screen, *, began: bool = False) -> View:
    """The view that suits stderr: a table in a terminal, lines elsewhere, nothing beside a JSON document. `began` says
    that the run was started just now.
    """
    if screen.err.is_terminal:
        return LiveTable(screen.err)
    return Silence() if screen.as_json else Lines(screen, began=began)


class Silence(View):
    """Shows nothing."""

    def show(self, news: News) -> None:
        """Nothing."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class LiveTable(View):
    """The table of tasks, drawn anew ten times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._watched = Watched()
        self._live = Live(console=console, auto_refresh=False, transient=False, vertical_overflow="crop")
        self._drawing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._live.start()
        self._drawing = asyncio.create_task(self._draw())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
            await asyncio.gather(self._drawing, return_exceptions=True)
        run = self._watched.run
        self._live.transient = error is None and run is not None and not run.ended  # it is drawn again after a question
        self._refresh()
        self._live.stop()

    def show(self, news: News) -> None:
        """Take news in; they are seen with the next drawing."""
        self._watched.absorb(news)

    def expect(self, known: Usual) -> None:
        """Tell from now on how long the run will take, and which tasks it depends on."""
        self._watched.usual = known

    async def _draw(self) -> None:
        while True:
            self._refresh()
            await asyncio.sleep(REDRAW_EVERY_S)

    def _refresh(self) -> None:
        if self._watched.run is not None:
            self._live.update(picture(self._watched, self._console.size), refresh=True)


def picture(watched: Watched, size: tuple[int, int], now: datetime | None = None) -> RenderableType:
    """The run as it is: title, tasks, and how far everything is. `size` is in columns and lines."""
    run = watched.run
    assert run is not None  # noqa: S101 - something has happened before anything is drawn
    columns, lines = size
    tasks = _grid(watched, run, columns)
    ahead = _ahead(watched, run, now or datetime.now(UTC))
    chosen, before, after = _chosen(run, max(lines - (7 if ahead is None else 8), 3))
    for node in chosen:
        tasks.add_row(*_row(watched, run, node, columns))
    parts = [*_head(run, columns), *_elsewhere(before, "before"), tasks, *_elsewhere(after, "to come"), Text()]
    if ahead is not None:
        parts.append(Text(f"critical path  {shortened(' → '.join(ahead.path), columns - 15)}", "quiet"))
    return Group(*parts, _foot(run, columns, ahead))


def _ahead(watched: Watched, run: Run, now: datetime) -> Forecast | None:
    """What is to come, where earlier runs tell; while somebody has to answer, nothing does."""
    if watched.usual is None or not watched.usual.runs or waiting_tasks(run):
        return None
    return forecast(run, watched.usual, now)


def _elsewhere(count: int, where: str) -> Iterator[Text]:
    if count:
        yield Text(f"   … {counted(count, 'task')} {where}", "quiet")


def _grid(watched: Watched, run: Run, columns: int) -> Table:
    """Sign, task, detail, agent and time: what people have named keeps its room, the detail gets what is left."""
    name = min(max((len(node) for node in run.graph.order), default=0), columns // 3)
    agent = min(max((len(watched.by(node)) for node in watched.agents), default=0), columns // 4)
    time_ = len("59 min 59 s")
    gaps = 2 * 4
    detail = min(max(columns - 1 - name - agent - time_ - gaps, 10), DETAIL_MOST)
    grid = Table.grid(padding=(0, 2, 0, 0))
    for width in (1, name, detail, agent):
        grid.add_column(width=width, overflow="ellipsis", no_wrap=True)
    grid.columns[3].style = "quiet"
    grid.add_column(width=time_, justify="right", no_wrap=True, style="quiet")
    return grid


def _head(run: Run, columns: int) -> Iterator[RenderableType]:
    yield Text(shortened(clean(run.started.title), columns), "head")
    yield Text.assemble(run_text(run.id), ("  " + run.started.template, "quiet"))
    yield Text()


def _chosen(run: Run, most: int) -> tuple[Sequence[TaskId], int, int]:
    """The nodes to show when there is no room for all: a window around what is under way."""
    order = run.graph.order
    if len(order) <= most:
        return order, 0, 0
    open_ = (index for index, node in enumerate(order) if run.state(node).phase not in SETTLED)
    first = min(max(next(open_, len(order)) - 2, 0), len(order) - (most - 2))
    shown = order[first : first + most - 2]
    return shown, first, len(order) - first - len(shown)


def _row(watched: Watched, run: Run, node: TaskId, columns: int) -> tuple[RenderableType, ...]:
    state = run.state(node)
    sign, style = STATES[state.phase]
    if state.phase in ("active", "expanded") and not run.paused:
        sign = SPINNER[int(time.monotonic() * 10) % len(SPINNER)]
    name_style = "quiet" if state.phase in ("pending", "skipped") else ""
    return (
        Text(sign, style),
        Text(node, name_style),
        _detail(watched, run, node, columns),
        Text(clean(watched.by(node))),
        Text(took(run, node)),
    )


def _detail(watched: Watched, run: Run, node: TaskId, columns: int) -> RenderableType:
    """What is to be said of a task beside its state."""
    state = run.state(node)
    if state.phase == "pending":
        needs = unmet(run, node)
        return Text(f"after {shortened(', '.join(needs), 40)}" if needs else "", "quiet")
    if state.phase == "failed" and state.problem is not None:
        return Text(shortened(clean(state.problem.message), 60), "red")
    if state.item_count:
        return _with_bar(_items(run, node), watched.fraction(node), state, columns)
    if state.waiting is not None:
        return Text(_waiting(state), "yellow")
    if state.phase == "active":
        return _with_bar(_active(watched, run, node, state), watched.fraction(node), state, columns)
    again = watched.again.get(node, 0)
    return Text(f"{again + 1} attempts" if again else "", "yellow")


def _items(run: Run, node: TaskId) -> Text:
    """Those that are done of all, and how the others are; only those under way are gone through for it."""
    state = run.state(node)
    open_ = open_items(run, node) if state.phase == "expanded" else {}
    text = Text(f"{state.items_settled - state.items_failed}/{state.item_count}")
    if state.items_failed:
        text.append(f" · {state.items_failed} failed", "red")
    text.append("".join(f" · {count} {name}" for name, count in sorted(open_.items())), "quiet")
    return text


def _with_bar(text: Text, fraction: float | None, state: TaskState, columns: int) -> RenderableType:
    if fraction is None or state.phase in SETTLED:
        return text
    line = Table.grid(padding=(0, 1, 0, 0))
    bar = ProgressBar(total=1.0, completed=fraction, width=20 if columns >= WIDE else 10)
    line.add_row(bar, text)
    return line


def _waiting(state: TaskState) -> str:
    waiting = state.waiting
    if waiting is None:
        return ""
    if waiting.for_ == "time":
        left = (waiting.until - datetime.now(UTC)).total_seconds() if waiting.until else 0
        return f"sleeps, {duration_words(max(left, 0))} left"
    return shortened(clean(f"{waiting.for_}: {waiting.title or waiting.signal}"), 60)


def _active(watched: Watched, run: Run, node: TaskId, state: TaskState) -> Text:
    if state.subrun is not None:
        return Text(f"run {state.subrun[-6:]}", "quiet")
    waits = [call.wanted for call in state.calls if call.ended_at is None]
    if waits:
        return Text(shortened(clean(f"waits for {', '.join(waits)}"), 40), "quiet")
    if any(attempt.live for attempt in state.attempts):
        told = watched.told.get(node)
        message = told.message if told is not None and told.fraction < 1 else ""
        number = state.attempts[-1].number
        words = [attempt_words(state, number) if number > 1 else "", shortened(clean(message), 30)]
        return Text(" · ".join(word for word in words if word), "quiet")
    return Text(_wanted(state), "yellow")


def _wanted(state: TaskState) -> str:
    later = [want.not_before for want in state.wants if want.not_before is not None]
    left = (min(later) - datetime.now(UTC)).total_seconds() if later else 0
    if left > 0:
        return f"again in {duration_words(left)}"
    return "waits for an agent"


def _foot(run: Run, columns: int, ahead: Forecast | None) -> RenderableType:
    total = len(run.graph.order)
    state: str = "paused" if run.paused else run.phase
    if run.phase == "running" and not run.paused and waiting_tasks(run) and is_idle(run):
        state = "waiting"
    sign, style = STATES[state]
    words = [f"{run.tasks_done} of {counted(total, 'task')} done"]
    words += [f"{run.live} under way"] if run.live else []
    words += [f"{run.failed} failed"] if run.failed else []
    words.append(worked(run))
    if ahead is not None:
        seconds = ahead.left.total_seconds()
        words.append(f"about {duration_words(seconds)} left" if seconds else "longer than usual")
    bar = ProgressBar(total=max(total, 1), completed=run.tasks_done, width=min(columns // 4, 30))
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_row(Text(f"{sign} {state.replace('_', ' ')}", style), bar, Text(" · ".join(words), "quiet"))
    return line
