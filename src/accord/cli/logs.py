"""What is logged while a command works: on stderr where that was asked for; and what agents here have raised."""

from __future__ import annotations

import logging
import sys
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from textwrap import indent
from typing import Final

from accord.cli.output import clean, counted
from accord.domain.ids import TaskId
from accord.domain.state import Run
from accord.errors import BusUnavailable, KeysUnavailable, StoreUnavailable
from accord.recent import Recent
from accord.settings import Settings
from accord.telemetry.lines import JsonLines

KEPT_MOST: Final = 1000
"""Attempts of which what was raised is kept, the newest."""

FRAMES_TOLD: Final = 4
"""Calls that are told of a traceback."""

_PACKAGES: Final = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))


class Raised(logging.Handler):
    """Keeps what the agents of this process have raised, by attempt. It never leaves this process."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._raised: Recent[tuple[str, str, int], traceback.TracebackException] = Recent(KEPT_MOST)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what is told of an attempt that raised; of its values nothing is kept."""
        error = record.exc_info[1] if record.exc_info else None
        run, task, attempt = (getattr(record, name, None) for name in ("run", "task", "attempt"))
        if error is None or not isinstance(run, str) or not isinstance(task, str) or not isinstance(attempt, int):
            return
        told = traceback.TracebackException(type(error), error, error.__traceback__, lookup_lines=False, compact=True)
        self._raised[(run, task, attempt)] = told

    def of(self, run: Run, task: TaskId) -> str | None:
        """Where a task's last attempt raised, if it did so in this process: the author's innermost calls."""
        attempts = [attempt.number for attempt in run.state(task).attempts if attempt.want.purpose == "work"]
        told = self._raised.get((run.id, task, attempts[-1])) if attempts else None
        return None if told is None else _shortened(told)


def _shortened(told: traceback.TracebackException) -> str:
    frames = list(told.stack)
    own = [index for index, frame in enumerate(frames) if not frame.filename.startswith(_PACKAGES)]
    end = own[-1] + 1 if own else len(frames)
    start = max(end - FRAMES_TOLD, 0)
    lines = [f"  … {counted(start, 'call')} before\n"] if start else []
    lines += traceback.StackSummary.from_list(frames[start:end]).format()
    if end < len(frames):
        lines.append(f"  … and {counted(len(frames) - end, 'call')} in {frames[-1].filename}\n")
    return "".join([*lines, *told.format_exception_only()]).rstrip()


class Words(logging.Formatter):
    """Records in words. What is away for a while is told in a line, and what a library notices of it: where that was in
    the code helps nobody.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record."""
        error = record.exc_info[1] if record.exc_info else None
        away = isinstance(error, BusUnavailable | StoreUnavailable | KeysUnavailable)
        ours = record.name.partition(".")[0] in ("accord", "asyncio")
        if error is None or (ours and not away):
            return super().format(record)
        plain = copy(record)
        plain.exc_info = plain.exc_text = None
        return f"{super().format(plain)}: {error}"


class ToAuthors(logging.Formatter):
    """What an agent has raised, for its author: their innermost calls, without what only a debugger wants."""

    def format(self, record: logging.LogRecord) -> str:
        """The record."""
        error, said = record.exc_info[1] if record.exc_info else None, record.getMessage()
        if error is None:
            return said
        return f"{said}:\n{indent(_shortened(traceback.TracebackException.from_exception(error)), '  ')}"


class Stderr(logging.Handler):
    """Writes to what stderr is now: above the table, while one is drawn. What others have said steers no terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        sys.stderr.write(clean(self.format(record)) + "\n")


@contextmanager
def logging_as(settings: Settings) -> Iterator[int]:
    """Log as the settings say, inside: for servers and agents, which go on and are watched by programs. Gives the level
    from which on Accord's own records are logged.
    """
    level, ours = getattr(logging, (settings.log_level or "warning").upper()), logging.getLogger("accord")
    before = ours.level
    ours.setLevel(level)
    replaced: list[tuple[logging.Logger, logging.Handler]] = []
    handler = Stderr(level)
    if settings.log_format == "json" or settings.log_level is not None:
        json = settings.log_format == "json"
        handler.setFormatter(JsonLines() if json else Words("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        loggers = (logging.getLogger(), logging.getLogger("accord.hosting"), logging.getLogger("accord.agent"))
        replaced = [(one, held) for one in loggers for held in one.handlers if isinstance(held, Stderr)]
        for one, held in replaced:
            one.removeHandler(held)
        logging.getLogger().addHandler(handler)
    try:
        yield level
    finally:
        logging.getLogger().removeHandler(handler)
        for one, held in replaced:
            one.addHandler(held)
        ours.setLevel(before)


@contextmanager
def logging_to_stderr(*, warns: bool, raises: bool = False) -> Iterator[Raised]:
    """Log warnings to stderr where somebody wants them, else faults, who is left out, and (`raises`) what agents of
    this process raise; gives what they raise meanwhile.
    """
    stderr, raised = Stderr(logging.WARNING if warns else logging.CRITICAL), Raised()
    stderr.setFormatter(Words("%(name)s: %(message)s"))
    handlers = [(logging.getLogger(), stderr), (logging.getLogger("accord.agent"), raised)]
    if not warns:
        handlers.append((logging.getLogger("accord.hosting"), Stderr(logging.WARNING)))
    if raises and not warns:
        authors = Stderr(logging.ERROR)
        authors.setFormatter(ToAuthors())
        handlers.append((logging.getLogger("accord.agent"), authors))
    for logger, handler in handlers:
        logger.addHandler(handler)
    try:
        yield raised
    finally:
        for logger, handler in handlers:
            logger.removeHandler(handler)
