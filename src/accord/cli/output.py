"""What commands print: tables and text in a terminal, plain columns in a pipe, one JSON document where asked for.

Text that agents, templates and people have written goes through `clean`: it must not steer a terminal.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec
from rich.console import Console
from rich.text import Text
from rich.theme import Theme

from accord.cli.tables import Column, fitted
from accord.domain.duration import duration_words

if TYPE_CHECKING:
    from accord.cli.logs import Raised
    from accord.domain.ids import TaskId
    from accord.domain.state import Run, TaskState

STATES: Final[Mapping[str, tuple[str, str]]] = {
    "pending": ("·", "dim"),
    "running": ("●", "cyan"),
    "active": ("●", "cyan"),
    "queued": ("◌", "yellow"),
    "assigned": ("●", "cyan"),
    "working": ("●", "cyan"),
    "expanded": ("●", "cyan"),
    "waiting": ("◆", "yellow"),
    "paused": ("‖", "yellow"),
    "held": ("‖", "yellow"),
    "rolling_back": ("↺", "yellow"),
    "cancelling": ("●", "yellow"),
    "failing": ("●", "red"),
    "completed": ("✔", "green"),
    "succeeded": ("✔", "green"),
    "failed": ("✘", "red"),
    "rejected": ("✘", "red"),
    "expired": ("✘", "red"),
    "cancelled": ("○", "yellow"),
    "skipped": ("○", "dim"),
}
"""Sign and style of every state of runs, tasks and attempts."""

SIGNS: Final = frozenset(sign for sign, _ in STATES.values())

THEME: Final = Theme(
    {
        "bad": "bold red",
        "warn": "bold yellow",
        "good": "bold green",
        "place": "bold",
        "hint": "cyan",
        "head": "bold",
        "quiet": "dim",
        "name": "cyan",
    },
)

# Control characters, and those that turn the direction of text around.
_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def clean(text: str) -> str:
    """The text without anything that steers a terminal; new lines and tabs stay."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def styled(*parts: tuple[str, str]) -> Text:
    """A text of parts, each with its style, cleaned."""
    return Text.assemble(*((clean(text), style) for text, style in parts))


class ReaderGone(Exception):
    """Whoever reads our output has seen enough. Not an OSError: Click would end the process with code 1."""


class Paper(Console):
    """A console that says it where nobody reads on."""

    def on_broken_pipe(self) -> None:
        """Leave it to the entry point, which ends the process in peace."""
        raise ReaderGone


def console(stream: IO[str] | None = None) -> Console:
    """A console on a stream (stdout where None); colours only in a terminal, and never with NO_COLOR."""
    stream = stream or sys.stdout
    width = None if stream.isatty() else max(shutil.get_terminal_size().columns, 100)
    return Paper(file=stream, theme=THEME, highlight=False, markup=False, emoji=False, width=width)


class Screen:
    """Where a command prints: `out` for its result, `err` for everything on the way."""

    def __init__(
        self,
        *,
        as_json: bool = False,
        raised: Raised | None = None,
        elsewhere: Callable[[str], str] = "accord {}".format,
    ) -> None:
        self.as_json = as_json
        self.elsewhere = elsewhere
        """A command about the same, as it is given in another terminal."""
        self.raised = raised
        """What agents of this process have raised."""
        self.out = console(sys.stdout)
        self.err = console(sys.stderr)

    @property
    def watched(self) -> bool:
        """Whether somebody looks at the result in a terminal."""
        return self.out.is_terminal and not self.as_json

    def document(self, value: Any) -> None:
        """Write one JSON document, and nothing else."""
        self.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")

    def write(self, text: str) -> None:
        """Write this text to stdout as it is."""
        try:
            self.out.file.write(text)
            self.out.file.flush()
        except BrokenPipeError:
            raise ReaderGone from None

    def line(self, text: str | Text = "", style: str = "") -> None:
        """A line of the result; long ones are left to the terminal to wrap."""
        self.out.print(text if isinstance(text, Text) else Text(clean(text), style), soft_wrap=True)

    def note(self, text: str | Text, style: str = "quiet") -> None:
        """A line beside the result, on stderr; with `--json` only for somebody who looks at it."""
        if not self.as_json or self.err.is_terminal:
            self.err.print(text if isinstance(text, Text) else Text(clean(text), style), soft_wrap=True)

    def heading(self, text: str) -> None:
        """A heading over a part of the result."""
        self.line()
        self.line(text, "head")

    def table(
        self, columns: Sequence[str | Column], rows: Iterable[Sequence[str | Text]], *, wraps: bool = True
    ) -> None:
        """Rows under their columns: fitted to the terminal's width, or whole and aligned in a pipe. Where the last
        column gives way it is folded, or (`wraps` false) cut.
        """
        cells = [[_text(cell) for cell in row] for row in rows]
        if self.out.is_terminal:
            self.out.print(fitted(columns, cells, self.out.width, wraps=wraps))
            return
        head = [one.name if isinstance(one, Column) else one for one in columns]
        texts = [head, *([_unsigned(cell) for cell in row] for row in cells)]
        widths = [max(len(row[index]) for row in texts) for index in range(len(columns))]
        for row in texts:
            padded = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.write(padded.rstrip() + "\n")

    def facts(self, facts: Iterable[tuple[str, str | Text]]) -> None:
        """Names and values, one pair a line; pairs without a value are left out."""
        kept = [(name, _text(value)) for name, value in facts if value]
        width = max((len(name) for name, _ in kept), default=0)
        for name, value in kept:
            self.out.print(Text.assemble((f"{name:<{width}}  ", "quiet"), value), soft_wrap=not self.out.is_terminal)


def _text(cell: str | Text) -> Text:
    return cell if isinstance(cell, Text) else Text(clean(cell))


def _unsigned(cell: Text) -> str:
    """A cell on one line, without the sign of a state: words are easier to look for."""
    sign, space, words = cell.plain.partition(" ")
    plain = words if space and sign in SIGNS else cell.plain
    return plain.replace("\n", " ")


def state_text(state: str) -> Text:
    """A state with its sign and colour."""
    sign, style = STATES.get(state, ("?", ""))
    return Text(f"{sign} {state.replace('_', ' ')}", style)


def run_text(run: str) -> Text:
    """A run's id; its end, which tells it from its neighbours, stands out."""
    return Text.assemble((run[:-6], "quiet"), (run[-6:], "name"))


def agent_name(agent: str) -> str:
    """`editor` for `spiffe://local/agent/editor`; another organisation's comes in front: `acme/editor`."""
    path = agent.removeprefix("spiffe://")
    organisation, _, name = path.partition("/agent/")
    if not name:
        return agent
    return name if organisation == "local" else f"{organisation}/{name}"


def between(begin: datetime | None, end: datetime | None) -> str:
    """How long it is from one time to another; nothing where it has not begun, up to now where it has not ended."""
    if begin is None:
        return ""
    return duration_words(max(((end or datetime.now(UTC)) - begin).total_seconds(), 0))


def worked(run: Run) -> str:
    """How long a run took, or has been at it; what it was paused is told apart: `4.1 s, paused 2 min`. Of one that was
    erased it is not: up to the erasure it only rested, as one that has ended.
    """
    now = run.told_at(datetime.now(UTC))
    took, rest = run.worked(run.started.at, now), run.rest(now)
    words = duration_words(took.total_seconds())
    return f"{words}, paused {duration_words(rest.total_seconds())}" if rest and run.erased is None else words


def took(run: Run, task: TaskId, now: datetime | None = None) -> str:
    """How long a task took in its present round, or has been at it, without the run's rests; nothing where it has not
    begun.
    """
    found = run.took(task, now or run.told_at(datetime.now(UTC)))
    return "" if found is None else duration_words(found.total_seconds())


def attempt_words(state: TaskState, number: int) -> str:
    """An attempt as people count: `attempt 2`, `the diagnosis of attempt 1`. Its number counts diagnoses, too."""
    attempt = state.attempts[number - 1]
    words = f"attempt {state.ordinal(number)}"
    return words if attempt.want.purpose == "work" else f"the diagnosis of {words}"


def moment(at: datetime) -> str:
    """A time as people here read it: `2026-11-23 14:03:07`, local."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def size(length_bytes: int) -> str:
    """`312 B`, `4.5 kB`, `1.2 MB`."""
    if length_bytes < 1000:
        return f"{length_bytes} B"
    amount, unit = length_bytes / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.1f} {unit}"


def shortened(text: str, most: int) -> str:
    """The text on one line, at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def counted(number: int, noun: str) -> str:
    """`1 task`, `3 tasks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}".replace(",", "\N{NARROW NO-BREAK SPACE}")
