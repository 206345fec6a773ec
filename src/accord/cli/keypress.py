"""Keys that are pressed in the terminal while a command shows something there."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def hears_keys() -> bool:
    """Whether somebody can press a key: stdin is a terminal of the kind that tells each at once."""
    return sys.platform != "win32" and sys.stdin.isatty()


@contextmanager
def pressed(key: str) -> Iterator[asyncio.Future[None]]:
    """Done once this key is pressed, inside; never where none is heard. What is typed is not shown meanwhile; Ctrl-C
    interrupts as ever.
    """
    heard = asyncio.get_running_loop().create_future()
    if sys.platform == "win32" or not hears_keys():
        yield heard
        return
    with _key_by_key() as terminal:
        loop = asyncio.get_running_loop()
        loop.add_reader(terminal, _hear, terminal, key.encode(), heard)
        try:
            yield heard
        finally:
            loop.remove_reader(terminal)


if sys.platform != "win32":
    import termios
    import tty

    @contextmanager
    def _key_by_key() -> Iterator[int]:
        """The terminal that stdin is, opened once more: what a loop reads must not block, and stdin's file is stdout's,
        which may.
        """
        terminal = os.open(os.ttyname(sys.stdin.fileno()), os.O_RDONLY | os.O_NOCTTY)
        try:
            before = termios.tcgetattr(terminal)
            tty.setcbreak(terminal)
            try:
                yield terminal
            finally:
                termios.tcsetattr(terminal, termios.TCSADRAIN, before)
        finally:
            os.close(terminal)


def _hear(terminal: int, key: bytes, heard: asyncio.Future[None]) -> None:
    typed = os.read(terminal, 1024)
    if not typed:
        asyncio.get_running_loop().remove_reader(terminal)  # nobody is there any more
    elif key in typed and not heard.done():
        heard.set_result(None)
