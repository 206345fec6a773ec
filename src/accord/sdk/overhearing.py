"""What the code of an attempt logs by the standard `logging`, whichever logger it uses."""

from __future__ import annotations

import contextvars
import logging
from datetime import UTC, datetime
from typing import Final

from accord.sdk.context import Link
from accord.sdk.log_lines import line_of, raised

CURRENT: contextvars.ContextVar[Link | None] = contextvars.ContextVar("accord_attempt", default=None)
"""The link of the attempt whose function runs."""

_OF_A_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Overhearing(logging.Handler):
    """Takes what the code of an attempt logs by whatever logger, where that passes the levels that are configured.
    Accord's own loggers are left out: what they say is no business of runs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.users = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Say it as a line of the attempt whose code has logged it."""
        link = CURRENT.get()
        if link is None or link.say is None or record.name.partition(".")[0] == "accord":
            return
        try:
            fields = {name: value for name, value in vars(record).items() if name not in _OF_A_RECORD}
            fields = {"logger": record.name, **fields, **raised(record.exc_info)}
            at = datetime.fromtimestamp(record.created, UTC)
            link.say(line_of(record.levelno, record.getMessage(), fields, at))
        except Exception:  # as every handler: who logs must not fail by it
            self.handleError(record)


def overhear() -> Overhearing:
    """Begin to take what is logged in this process, once for all who want it; `leave` ends it."""
    root = logging.getLogger()
    found = next((one for one in root.handlers if isinstance(one, Overhearing)), None)
    if found is None:
        found = Overhearing()
        root.addHandler(found)
    found.users += 1
    return found


def leave(handler: Overhearing) -> None:
    """End what `overhear` began."""
    handler.users -= 1
    if not handler.users:
        logging.getLogger().removeHandler(handler)
