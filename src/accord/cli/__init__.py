"""The command line. `main` is the entry point of the command `accord`; everything else is loaded when it is needed."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

__all__ = ["main"]

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line (that of the process where None), and exit with its code; no error gets out."""
    if arguments is None:
        _spare_the_collector()
    _open_streams()
    with _left_at_once():
        # Loaded here, when Ctrl-C is no traceback any more: it takes some time.
        from accord.cli import entry  # noqa: PLC0415 - see above

        entry.main(arguments)


def _spare_the_collector() -> None:
    """Have the garbage collector neither look at what is loaded, again and again, nor free it piece by piece when the
    process ends: both together take longer than most commands.
    """
    gc.set_threshold(500_000)
    atexit.register(gc.freeze)


def _open_streams() -> None:
    """Let standard streams that were closed lead nowhere: else the next file that is opened, such as the journal, would
    be one of them.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - for good


def _leave(*_: object) -> NoReturn:
    os.write(2, b"Interrupted. Nothing was started.\n")
    os._exit(_INTERRUPTED)


@contextmanager
def _left_at_once() -> Iterator[None]:
    """Let Ctrl-C end the process at once while modules are loaded, and nothing is open: an exception would come out of
    whatever module it meets, in whatever way that module turns it. Commands that open something take it over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
